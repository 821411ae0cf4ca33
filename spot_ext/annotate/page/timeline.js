// The strip below the frame: where boxes are drawn, which frames are wanted, how sure the proposed boxes are.

const EDGE = 10;

export class Timeline {
  /** `host`: model(), frame(), go(frame). */
  constructor(canvas, host) {
    this.canvas = canvas;
    this.host = host;
    canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); this.held = true; this.#go(event); });
    canvas.addEventListener("pointermove", (event) => { if (this.held) this.#go(event); });
    canvas.addEventListener("pointerup", () => { this.held = false; });
    new ResizeObserver(() => {
      const ratio = window.devicePixelRatio || 1;
      canvas.width = Math.round(canvas.clientWidth * ratio);
      canvas.height = Math.round(canvas.clientHeight * ratio);
      this.draw();
    }).observe(canvas);
  }

  #x(frame, model) { return EDGE + (this.canvas.clientWidth - 2 * EDGE) * (model.frames > 1 ? frame / (model.frames - 1) : 0.5); }

  #go(event) {
    const model = this.host.model();
    if (!model) return;
    const place = this.canvas.getBoundingClientRect();
    const share = (event.clientX - place.left - EDGE) / (place.width - 2 * EDGE);
    const exact = Math.round(Math.min(1, Math.max(0, share)) * (model.frames - 1));
    const near = model.wanted.find((item) => Math.abs(this.#x(item.frame, model) - (event.clientX - place.left)) < 6);
    this.host.go(event.type === "pointerdown" && near ? near.frame : exact);
  }

  draw() {
    const model = this.host.model(), frame = this.host.frame();
    const context = this.canvas.getContext("2d");
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    if (!model) return;
    context.fillStyle = "#10151a";
    context.fillRect(EDGE, 22, width - 2 * EDGE, height - 28);
    this.#heat(context, model, height);
    for (const item of model.objects) {
      context.fillStyle = model.colour(item.id);
      for (const [drawn, box] of item.drawn) {
        if (box) context.fillRect(this.#x(drawn, model) - 1, 23, 2.5, height - 30);
        else context.fillRect(this.#x(drawn, model) - 1, height - 13, 2.5, 6);
      }
    }
    context.fillStyle = "#fff";
    context.fillRect(this.#x(frame, model) - 0.75, 3, 1.5, height - 6);
    for (const item of model.wanted) this.#pin(context, model, item);
    const canvas = this.canvas;
    canvas.setAttribute("aria-valuemin", 0);
    canvas.setAttribute("aria-valuemax", model.frames - 1);
    canvas.setAttribute("aria-valuenow", frame);
    canvas.setAttribute("aria-valuetext", `frame ${frame} of ${model.frames - 1}`);
  }

  /** One column a pixel: the least sure proposal in it, of any object. */
  #heat(context, model, height) {
    const columns = new Map();
    for (const item of model.objects) {
      for (const [frame, proposal] of item.proposed) {
        const column = Math.round(this.#x(frame, model));
        columns.set(column, Math.min(proposal.confidence, columns.get(column) ?? 1));
      }
    }
    const wide = Math.max(1, Math.ceil((this.canvas.clientWidth - 2 * EDGE) / Math.max(1, model.frames - 1)));
    for (const [column, confidence] of columns) {
      context.fillStyle = heat(confidence);
      context.fillRect(column - wide / 2, height - 16, wide + 0.5, 9);
    }
  }

  #pin(context, model, item) {
    const state = model.wantedState(item.frame);
    const colour = item.suggested ? "#ff8fab" : "#ffb703";
    context.beginPath();
    context.arc(this.#x(item.frame, model), 12, 5, 0, 2 * Math.PI);
    context.fillStyle = state === "done" ? "#5ad19a" : "#1b2128";
    context.fill();
    context.lineWidth = 2;
    context.strokeStyle = state === "done" ? "#5ad19a" : colour;
    context.setLineDash(state === "part" ? [2.5, 2.5] : []);
    context.stroke();
    context.setLineDash([]);
  }
}

/** Red over yellow to green. */
function heat(confidence) {
  const [low, high, share] = confidence < 0.5 ? [[229, 72, 77], [232, 179, 57], confidence * 2]
    : [[232, 179, 57], [47, 158, 110], confidence * 2 - 1];
  return `rgb(${low.map((value, i) => Math.round(value + (high[i] - value) * share)).join(" ")})`;
}
