// Everything around the frame: lists of videos and objects, progress, state of saving, hints.

const element = (id) => document.getElementById(id);

export class Panels {
  constructor(app) {
    this.app = app;
    this.report = { state: "saved", pending: 0, message: "" };
    this.serverGone = "";
    element("folder").textContent = `\u200e${app.overview.folder}`;  // the end of a long path is what tells folders apart
    element("folder").title = `boxes are saved to ${app.overview.boxes_file}`;
  }

  show() {
    const { app } = this, { model } = app;
    if (!model) return;
    element("video-name").textContent = model.name;
    if (document.activeElement !== element("frame-number")) element("frame-number").value = app.frame;
    element("frame-number").max = model.frames - 1;
    element("frame-last").textContent = `of ${model.frames - 1}`;
    element("previous-frame").disabled = app.frame === 0;
    element("next-frame").disabled = app.frame === model.frames - 1;
    element("legend-heat").hidden = !model.objects.some((item) => item.proposed.size);
    this.#why();
    this.#hint();
    this.#objects();
    this.#actions();
    this.progress();
  }

  #why() {
    const { model, frame } = this.app;
    const wanted = model.wanted.find((item) => item.frame === frame);
    const state = wanted ? model.wantedState(frame) : "";
    const kind = wanted?.suggested ? "suggested" : "wanted";
    element("why").dataset.kind = state;
    element("why").textContent = !wanted ? "not asked for, but boxes are welcome" : state === "done" ? `${kind} frame, done`
      : state === "part" ? `${kind} frame: some objects are missing` : wanted.reason ? `${kind}: ${wanted.reason}` : `${kind} frame: please label it`;
    element("why").title = element("why").textContent;  // two lines of it at most are shown
  }

  #hint() {
    const { app } = this, { model } = app, item = model.current, shown = model.shown(item, app.frame);
    const name = item.label ? `object ${item.id} (${item.label})` : `object ${item.id}`;
    const all = app.allWanted();
    const done = all.every((other) => other.state === "done");
    element("hint").textContent = !app.image ? "" : !shown ? `Drag a box around ${name}, or press X if it is not in the frame`
      : shown.human ? (shown.absent ? `${name} is marked as not in the frame` : done ? "All done. Close this tab, go to the terminal, press Ctrl-C; it tells you the next command." : "")
      : app.proposalsHidden ? "Proposed boxes are hidden (H)"
      : shown.absent ? `Proposed: ${name} is not in the frame; Enter accepts, or drag a box` : "Proposed: Enter accepts, drag to correct, X if it is not there";
    const box = shown?.box ? `box ${shown.box.map((value) => value.toFixed(1)).join(", ")}` : shown?.absent ? "not in the frame" : "no box";
    element("stage").setAttribute("aria-label", `${model.name}, frame ${app.frame}, ${name}: ${box}`);
  }

  #objects() {
    const { app } = this, { model } = app, list = element("objects");
    const labels = new Set(model.objects.map((item) => item.label).filter(Boolean));
    for (const label of labels) {
      if (![...element("labels").options].some((option) => option.value === label)) element("labels").append(new Option(label));
    }
    const rows = model.objects.map((item, i) => list.children[i] ?? list.appendChild(this.#objectRow()));
    while (list.children.length > rows.length) list.lastChild.remove();
    model.objects.forEach((item, i) => {
      const row = rows[i], shown = model.shown(item, app.frame), [choose, label, drop, state] = row.children;
      row.dataset.object = item.id;
      row.className = item.id === model.active ? "active" : "";
      row.style.setProperty("--object", model.colour(item.id));
      choose.textContent = item.id;
      choose.setAttribute("aria-label", `Object ${item.id}`);
      choose.setAttribute("aria-pressed", item.id === model.active);
      choose.title = i < 9 ? `Choose object ${item.id} (${i + 1})` : `Choose object ${item.id}`;
      if (document.activeElement !== label) label.value = item.label;
      label.setAttribute("aria-label", `Class name of object ${item.id}`);
      drop.setAttribute("aria-label", `Delete all drawn boxes of object ${item.id}`);
      state.textContent = describe(shown);
    });
  }

  #objectRow() {
    const row = document.createElement("li");
    const id = () => row.dataset.object;
    const choose = Object.assign(document.createElement("button"), { className: "choose" });
    const label = Object.assign(document.createElement("input"), { placeholder: "class name", spellcheck: false });
    const drop = Object.assign(document.createElement("button"), { className: "drop", textContent: "✕", title: "Delete all its drawn boxes in this video" });
    label.setAttribute("list", "labels");
    choose.addEventListener("click", () => this.app.choose(id()));
    label.addEventListener("focus", () => this.app.choose(id()));
    label.addEventListener("change", () => this.app.rename(id(), label.value.trim()));
    drop.addEventListener("click", () => this.app.dropObject(id()));
    row.append(choose, label, drop, Object.assign(document.createElement("span"), { className: "state" }));
    return row;
  }

  editLabel(id) { [...element("objects").children].find((row) => row.dataset.object === id)?.querySelector("input").focus(); }

  #actions() {
    const { app } = this, { model } = app, shown = model.shown(model.current, app.frame), ready = app.image !== null;
    element("accept").disabled = !ready || !shown || shown.human;
    element("copy").disabled = !ready || !model.nearestBox(model.current, app.frame);
    element("absent").disabled = !ready || (shown?.human && shown.absent);
    element("remove").disabled = !shown?.human;
    element("undo").disabled = app.history.past.length === 0;
    element("redo").disabled = app.history.future.length === 0;
  }

  progress() {
    const { app } = this, all = app.allWanted(), done = all.filter((item) => item.state === "done").length;
    element("progress").max = Math.max(1, all.length);
    element("progress").value = done;
    element("progress-text").textContent = `${done} of ${all.length} frames`;
    const list = element("videos");
    app.overview.videos.forEach((video, i) => this.#videoRow(list.children[i] ?? list.appendChild(this.#newVideoRow(video)), video, all));
  }

  #newVideoRow(video) {
    const row = document.createElement("li");
    const button = Object.assign(document.createElement("button"), { className: "video", title: video.name });
    button.append(Object.assign(document.createElement("span"), { className: "name", textContent: video.name }),
                  Object.assign(document.createElement("span"), { className: "count" }));
    button.addEventListener("click", () => {
      if (!video.problem) this.app.open(video.name).catch((error) => this.#alert(error.message));
      else row.querySelector(".problem-text").hidden = !row.querySelector(".problem-text").hidden;
    });
    row.append(button);
    if (video.problem) {
      button.classList.add("problem");
      row.append(Object.assign(document.createElement("p"), { className: "problem-text", textContent: video.problem, hidden: true }));
    }
    return row;
  }

  #videoRow(row, video, all) {
    const { app } = this, button = row.firstChild, isOpen = video.name === app.model?.name;
    const wanted = all.filter((item) => item.video === video.name), done = wanted.filter((item) => item.state === "done").length;
    button.setAttribute("aria-current", isOpen);
    button.classList.toggle("complete", wanted.length > 0 && done === wanted.length);
    button.lastChild.textContent = video.problem ? "!" : `${done}/${wanted.length}`;
    row.querySelector(".chips")?.remove();
    if (!isOpen) return;
    if (this.openVideo !== video.name) row.scrollIntoView({ block: "nearest" });
    this.openVideo = video.name;
    const chips = Object.assign(document.createElement("div"), { className: "chips" });
    app.model.wanted.forEach((item) => {
      const state = app.model.wantedState(item.frame);
      const chip = Object.assign(document.createElement("button"), {
        className: `${state}${item.suggested ? " suggested" : ""}`, textContent: item.frame,
        title: `frame ${item.frame}, ${item.suggested ? "suggested" : "wanted"}: ${{ open: "not labelled", part: "labelled in part", done: "done" }[state]}` });
      chip.setAttribute("aria-label", chip.title);
      chip.setAttribute("aria-current", item.frame === app.frame);
      chip.addEventListener("click", () => app.go(item.frame));
      chips.append(chip);
    });
    row.append(chips);
  }

  saving(report) {
    this.report = report;
    const changes = `${report.pending} change${report.pending === 1 ? "" : "s"}`;
    element("save-state").dataset.state = report.state;
    element("save-state").textContent = { saved: "Saved", saving: "Saving…", failed: `Not saved: ${changes}` }[report.state];
    this.#alert(report.state === "failed" ? `${report.message} ${changes} kept in this page and tried again.` : report.message || this.serverGone);
  }

  /** Notice a server that is gone before the next change does. */
  async ping() {
    const answer = await fetch("api/ping", { signal: AbortSignal.timeout(3000) }).catch(() => null);
    const wasGone = this.serverGone;
    this.serverGone = answer === null ? "The server does not answer; start `annotate` again for this folder. Nothing is lost."
      : answer.status === 403 ? "The page has a new address: open the one the server printed." : "";
    if (wasGone !== this.serverGone) {
      this.saving(this.report);
      if (!this.serverGone) { this.app.saver.flush(); if (!this.app.image) this.app.go(this.app.frame); }
    }
  }

  #alert(text) {
    element("alert").hidden = !text;
    element("alert").textContent = text;
  }
}

function describe(shown) {
  if (!shown) return "no box in this frame";
  if (shown.human) return shown.absent ? "not in the frame" : `box ${Math.round(shown.box[2])} × ${Math.round(shown.box[3])} px`;
  return `${shown.absent ? "absent" : "box"} proposed, ${Math.round(shown.confidence * 100)}% sure`;
}
