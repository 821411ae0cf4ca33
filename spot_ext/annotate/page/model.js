// What is known of the open video: objects, boxes that people drew, boxes that were proposed; and how to undo.

export const COLOURS = ["#4cc9f0", "#ffb703", "#ff70a6", "#80ed99", "#c79bff", "#ff8a5c", "#f4f06c", "#2dd4bf"];

export class VideoModel {
  constructor(state) {
    this.name = state.name;
    this.frames = state.frames;
    this.wanted = state.wanted;
    this.objects = state.objects.map((item) => ({
      id: item.id,
      label: item.label,
      drawn: new Map(Object.entries(item.drawn).map(([frame, box]) => [Number(frame), box])),
      proposed: new Map(item.proposed.frames.map((frame, i) => [
        frame, { box: item.proposed.boxes[i], confidence: item.proposed.confidences[i] }])),
    }));
    if (this.objects.length === 0) this.add("");
    this.active = this.objects[0].id;
  }

  object(id) { return this.objects.find((item) => item.id === id); }
  get current() { return this.object(this.active) ?? this.objects[0]; }
  colour(id) { return COLOURS[this.objects.findIndex((item) => item.id === id) % COLOURS.length]; }

  /** Add an object under the first free number. */
  add(label, id = null) {
    let number = 1;
    while (this.object(String(number))) number += 1;
    const item = { id: id ?? String(number), label, drawn: new Map(), proposed: new Map() };
    this.objects.push(item);
    return item;
  }

  /** {box, absent, confidence, human} of an object in a frame; null where nothing is known. */
  shown(item, frame) {
    if (item.drawn.has(frame)) {
      const box = item.drawn.get(frame);
      return { box, absent: box === null, confidence: 1, human: true };
    }
    const proposal = item.proposed.get(frame);
    return proposal ? { box: proposal.box, absent: proposal.box === null, confidence: proposal.confidence, human: false } : null;
  }

  /** Set what a person says of an object in a frame: a box, null for absent, undefined for nothing. Returns what was there. */
  set(id, frame, value) {
    const item = this.object(id) ?? this.add("", id);
    const before = item.drawn.get(frame);
    if (value === undefined) item.drawn.delete(frame); else item.drawn.set(frame, value);
    return before;
  }

  /** "open", "part" or "done", as the server counts. */
  wantedState(frame) {
    const drawn = this.objects.filter((item) => item.drawn.size > 0);
    const count = drawn.filter((item) => item.drawn.has(frame)).length;
    return count === 0 ? "open" : count < drawn.length ? "part" : "done";
  }

  /** The box nearest in time that could be copied to this frame; of equal distance the earlier one. */
  nearestBox(item, frame) {
    let best = null;
    for (const [other, box] of item.drawn) {
      const distance = Math.abs(other - frame) + (other > frame ? 0.5 : 0);
      if (box && other !== frame && (best === null || distance < best.distance)) best = { box, distance };
    }
    return best?.box ?? null;
  }

  /** The frame of the least sure proposal that no person has corrected, null where there is none. */
  leastSure(after = null) {
    const confidences = new Map();
    for (const item of this.objects) {
      for (const [frame, proposal] of item.proposed) {
        if (!item.drawn.has(frame)) confidences.set(frame, Math.min(proposal.confidence, confidences.get(frame) ?? 1));
      }
    }
    const order = [...confidences].sort((a, b) => a[1] - b[1] || a[0] - b[0]).map(([frame]) => frame);
    return order.length ? order[(order.indexOf(after) + 1) % order.length] : null;
  }
}

/** Steps that can be undone; a step is a list of {video, object, frame, before, after} or {…, label: true, …}. */
export class History {
  constructor() { this.past = []; this.future = []; }

  push(step, merge = false) {
    const last = this.past.at(-1);
    const now = performance.now();
    if (merge && last?.merge && now - last.time < 1200 && step.length === 1 && last.step.length === 1
        && ["video", "object", "frame"].every((key) => step[0][key] === last.step[0][key])) {
      last.step[0].after = step[0].after;
      last.time = now;
    } else {
      this.past.push({ step, merge, time: now });
    }
    this.future = [];
  }

  undo() { return this.#take(this.past, this.future)?.step.toReversed().map((c) => ({ ...c, value: c.before })) ?? null; }
  redo() { return this.#take(this.future, this.past)?.step.map((c) => ({ ...c, value: c.after })) ?? null; }

  #take(from, to) {
    const entry = from.pop();
    if (entry) to.push({ ...entry, merge: false });
    return entry;
  }
}
