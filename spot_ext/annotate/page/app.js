// The page: which video and frame is open, what the buttons and keys do, and what they show.

import { Frames } from "./frames.js";
import { bindKeys } from "./keys.js";
import { History, VideoModel } from "./model.js";
import { Panels } from "./panels.js";
import { Saver } from "./saving.js";
import { kept, Stage, within } from "./stage.js";
import { Timeline } from "./timeline.js";

const element = (id) => document.getElementById(id);

class App {
  constructor(overview) {
    this.overview = overview;
    this.model = null;
    this.frame = 0;
    this.image = null;
    this.proposalsHidden = false;
    this.opened = new Map();  // frame last seen, by video
    this.bare = new Map();  // objects without boxes, which the file cannot hold, by video
    this.history = new History();
    this.frames = new Frames();
    this.stage = new Stage(element("stage"), {
      items: () => this.items(), canEdit: () => this.image !== null, activeId: () => this.model.active,
      choose: (id) => this.choose(id), change: (id, box) => this.change(id, box),
      zoomed: (scale) => { element("zoom-fit").textContent = `${Math.round(scale * 100)}%`; } });
    this.timeline = new Timeline(element("timeline"), {
      model: () => this.model, frame: () => this.frame, go: (frame) => this.go(frame) });
    this.panels = new Panels(this);
    this.saver = new Saver(`spot-annotate:${overview.boxes_file}`, (report) => this.panels.saving(report),
                           (videos) => this.progressed(videos));
  }

  /** Open a video at a frame, or where it was left, or at its first frame that is not done. */
  async open(name, frame = null) {
    const entry = this.entry(name);
    if (!entry || entry.problem) return;
    if (this.model) this.opened.set(this.model.name, this.frame);
    const answer = await getJson(`api/video?video=${encodeURIComponent(name)}`);
    const active = this.model?.active;
    this.model = new VideoModel(answer);
    for (const item of this.bare.get(name) ?? []) if (!this.model.object(item.id)) this.model.add(item.label, item.id);
    for (const edit of this.saver.queue.values()) if (edit.video === name) this.replay(edit);
    if (active && this.model.object(active)) this.model.active = active;
    const open = this.model.wanted.find((item) => this.model.wantedState(item.frame) !== "done") ?? this.model.wanted[0];
    await this.go(frame ?? this.opened.get(name) ?? open?.frame ?? 0);
  }

  /** What is waiting to be saved is on no server yet. */
  replay(edit) {
    if (edit.frame === undefined) {
      if (edit.remove) this.model.objects = this.model.objects.filter((item) => item.id !== edit.object);
      else if (this.model.object(edit.object)) this.model.object(edit.object).label = edit.label;
      if (!this.model.objects.length) this.model.add("");
    } else {
      this.model.set(edit.object, edit.frame, edit.remove ? undefined : edit.absent ? null : edit.box);
    }
  }

  async go(frame) {
    const name = this.model.name;
    this.frame = Math.min(this.model.frames - 1, Math.max(0, frame));
    location.replace(`#${encodeURIComponent(name)}/${this.frame}`);
    const wanted = this.frame;
    this.refresh();
    let image = null, problem = "";
    try {
      image = await this.frames.get(name, wanted);
    } catch (error) {
      problem = error.message;
    }
    if (this.model.name !== name || this.frame !== wanted) return;  // someone has stepped on meanwhile
    this.image = image;
    element("frame-error").hidden = !problem;
    element("frame-error").textContent = problem;
    this.stage.show(image);
    element("stage").dataset.frame = problem ? "" : wanted;
    this.refresh();
    for (const near of [wanted + 1, wanted - 1, this.nextWanted(1)?.frame ?? -1]) {
      if (image && near >= 0 && near < this.model.frames) this.frames.get(name, near).catch(() => {});
    }
  }

  items() {
    if (!this.model || element("stage").dataset.frame !== String(this.frame)) return [];
    return this.model.objects.map((item) => {
      const shown = this.model.shown(item, this.frame);
      const visible = shown && !shown.absent && (shown.human || !this.proposalsHidden);
      return { id: item.id, name: item.label ? `${item.id} ${item.label}` : item.id, colour: this.model.colour(item.id),
               box: visible ? shown.box : null, human: shown?.human, confidence: shown?.confidence, active: item.id === this.model.active };
    });
  }

  choose(id) {
    if (!this.model.object(id)) return;
    this.model.active = id;
    this.refresh();
  }

  /** A person's word on an object in this frame: box, null (absent) or undefined (nothing). */
  change(id, value, merge = false) {
    const before = this.model.object(id).drawn.get(this.frame);
    if (JSON.stringify(before) === JSON.stringify(value)) return;
    const step = [{ video: this.model.name, object: id, frame: this.frame, before, after: value }];
    this.history.push(step, merge);
    this.make(step.map((change) => ({ ...change, value })));
  }

  /** Show and save changes {video, object, frame, value} of one video. */
  make(changes) {
    const edits = [];
    for (const { video, object, frame, value } of changes) {
      if (frame === undefined) {
        edits.push({ video, object, label: value });
        if (this.model.object(object)) this.model.object(object).label = value;
        continue;
      }
      this.model.set(object, frame, value);
      const label = this.model.object(object).label;
      const what = value === undefined ? { remove: true } : value === null ? { absent: true } : { box: value };
      edits.push({ video, object, frame, ...what, ...(label ? { label } : {}) });
    }
    this.saver.push(edits);
    this.refresh();
  }

  async travel(changes) {
    if (!changes) return;
    const { video, frame } = changes[0];
    if (video !== this.model.name) await this.open(video, frame);
    this.make(changes);
    if (frame !== undefined && frame !== this.frame) await this.go(frame);
    this.choose(changes[0].object);
  }

  undo() { return this.travel(this.history.undo()); }
  redo() { return this.travel(this.history.redo()); }

  get shown() { return this.model.shown(this.model.current, this.frame); }

  accept() {
    const shown = this.shown;
    if (!this.image || !shown || shown.human) return;
    this.change(this.model.active, shown.absent ? null : shown.box.map((value) => Math.round(value * 10) / 10));
    const next = this.model.objects.find((item) => this.model.shown(item, this.frame)?.human === false);
    if (next) this.choose(next.id);
  }

  absent() { if (this.image) this.change(this.model.active, null); }
  remove() { this.change(this.model.active, undefined); }

  copyNearest() {
    const box = this.model.nearestBox(this.model.current, this.frame);
    if (this.image && box) this.change(this.model.active, kept(this.image, box));
  }

  boxInTheMiddle() {
    if (!this.image) return;
    const { width, height } = this.image;
    this.change(this.model.active, within(this.image, [width * 0.375, height * 0.375, width / 4, height / 4]));
  }

  /** Move by (dx, dy) and grow by (dw, dh) pixels, from the keyboard. */
  nudge(dx, dy, dw, dh) {
    const shown = this.shown;
    if (!this.image || !shown?.box) return;
    const [x, y, w, h] = shown.box;
    const box = dw || dh ? within(this.image, [x, y, Math.max(1, w + dw), Math.max(1, h + dh)]) : kept(this.image, [x + dx, y + dy, w, h]);
    this.change(this.model.active, box, true);
  }

  addObject() {
    const item = this.model.add("");
    this.bare.set(this.model.name, [...(this.bare.get(this.model.name) ?? []), item]);
    this.choose(item.id);
    this.panels.editLabel(item.id);
  }

  rename(id, label) {
    const item = this.model.object(id);
    if (!item || item.label === label) return;
    if (!item.drawn.size && !item.proposed.size) item.label = label;  // saved with its first box
    else {
      const step = [{ video: this.model.name, object: id, before: item.label, after: label }];
      this.history.push(step);
      this.make(step.map((change) => ({ ...change, value: label })));
    }
    this.refresh();
  }

  /** Delete an object's drawn boxes in all frames; it can be undone. */
  dropObject(id) {
    const item = this.model.object(id), video = this.model.name;
    const step = [...item.drawn].map(([frame, before]) => ({ video, object: id, frame, before, after: undefined }));
    if (step.length) {
      this.history.push(step);
      this.make(step.map((change) => ({ ...change, value: undefined })));
    }
    if (!item.proposed.size) {
      this.model.objects = this.model.objects.filter((other) => other.id !== id);
      this.bare.set(video, (this.bare.get(video) ?? []).filter((other) => other.id !== id));
      if (!this.model.objects.length) this.model.add("");
      if (!this.model.object(this.model.active)) this.model.active = this.model.objects[0].id;
    }
    this.refresh();
  }

  /** The wanted frames of all videos in order, this video's as it is now. */
  allWanted() {
    return this.overview.videos.flatMap((video) => video.wanted.map((item) => ({
      video: video.name, frame: item.frame,
      state: video.name === this.model?.name ? this.model.wantedState(item.frame) : item.state })));
  }

  /** The next wanted frame of this video that is not done; null where there is none. */
  nextWanted(direction) {
    const order = direction > 0 ? this.model.wanted : this.model.wanted.toReversed();
    return order.find((item) => direction * (item.frame - this.frame) > 0) ?? null;
  }

  /** Forward to the next wanted frame that is not done, backward to the one before, in whatever video. */
  async step(direction) {
    const all = this.allWanted();
    const videos = this.overview.videos.map((video) => video.name);
    const place = (item) => [videos.indexOf(item.video), item.frame];
    const here = [videos.indexOf(this.model.name), this.frame];
    const compare = (a, b) => a[0] - b[0] || a[1] - b[1];
    const beyond = (item) => direction * compare(place(item), here) > 0;
    const order = direction > 0 ? all : all.toReversed();
    const fit = direction > 0 && all.some((item) => item.state !== "done") ? order.filter((item) => item.state !== "done") : order;
    const target = fit.find(beyond) ?? fit[0];
    if (!target) return;
    if (target.video === this.model.name) await this.go(target.frame); else await this.open(target.video, target.frame);
  }

  async leastSure() {
    const frame = this.model.leastSure(this.frame);
    if (frame !== null) await this.go(frame);
  }

  hideProposals() {
    this.proposalsHidden = !this.proposalsHidden;
    this.refresh();
  }

  entry(name) { return this.overview.videos.find((video) => video.name === name); }

  progressed(videos) {
    for (const video of videos) Object.assign(this.entry(video.name) ?? {}, video);
    this.panels.progress();
  }

  refresh() {
    this.panels.show();
    this.stage.draw();
    this.timeline.draw();
  }
}

async function getJson(address) {
  const answer = await fetch(address);
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error);
  return content;
}

async function start() {
  const overview = await getJson("api/state");
  const app = new App(overview);
  bindKeys(app);
  const [name, frame] = location.hash.slice(1).split("/").map(decodeURIComponent);
  const remembered = app.entry(name);
  const open = app.allWanted().find((item) => item.state !== "done");
  const usable = overview.videos.find((video) => !video.problem);
  if (remembered && !remembered.problem) await app.open(name, Number(frame) || 0);
  else await app.open(open?.video ?? usable.name);
  setInterval(() => app.panels.ping(), 4000);
  window.addEventListener("beforeunload", (event) => { if (app.saver.pending) event.preventDefault(); });
  document.documentElement.dataset.ready = "true";
}

start().catch((error) => {
  element("alert").hidden = false;
  element("alert").textContent = `The page cannot start: ${error.message}`;
});
