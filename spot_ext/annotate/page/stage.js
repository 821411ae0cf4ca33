// The frame on a canvas: shows boxes, zooms and pans, and turns the mouse into boxes. Boxes are [x, y, w, h] in frame pixels.

const HANDLE = 9;  // screen pixels
const SMALLEST_DRAG = 4;
const CURSORS = { nw: "nwse-resize", se: "nwse-resize", ne: "nesw-resize", sw: "nesw-resize",
                  n: "ns-resize", s: "ns-resize", e: "ew-resize", w: "ew-resize", move: "move" };

export class Stage {
  /** `host`: items() → [{id, name, colour, box, human, confidence, active}], change(id, box), choose(id), canEdit(). */
  constructor(canvas, host) {
    this.canvas = canvas;
    this.host = host;
    this.image = null;
    this.zoom = 1;  // times the size that fits
    this.centre = null;  // frame pixel in the middle of the canvas; null: the frame's middle
    this.drag = null;
    this.mouse = null;
    this.spaceDown = false;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#up(event));
    canvas.addEventListener("pointercancel", () => this.cancel());
    canvas.addEventListener("pointerleave", () => { this.mouse = null; this.draw(); });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoomBy(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), this.#point(event));
    }, { passive: false });
    new ResizeObserver(() => this.#resize()).observe(canvas);
  }

  show(image) {
    if (this.image && image && (this.image.width !== image.width || this.image.height !== image.height)) this.fit();
    this.image = image;
    this.drag = null;
    this.draw();
  }

  fit() { this.zoom = 1; this.centre = null; this.draw(); }

  zoomBy(factor, around = null) {
    if (!this.image) return;
    const point = around ?? [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2];
    const [x, y] = this.toFrame(point);
    this.zoom = Math.min(40, Math.max(1, this.zoom * factor));
    const { scale } = this.view();
    this.centre = this.zoom === 1 ? null : [x + (this.canvas.clientWidth / 2 - point[0]) / scale,
                                            y + (this.canvas.clientHeight / 2 - point[1]) / scale];
    this.draw();
  }

  /** Screen pixels of a frame pixel, and where the frame's corner is. */
  view() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const image = this.image ?? { width: 1, height: 1 };
    const scale = this.zoom * Math.min((width - 16) / image.width, (height - 16) / image.height);
    const [x, y] = this.centre ?? [image.width / 2, image.height / 2];
    return { scale, left: width / 2 - x * scale, top: height / 2 - y * scale };
  }

  toFrame([x, y]) {
    const { scale, left, top } = this.view();
    return [(x - left) / scale, (y - top) / scale];
  }

  cancel() {
    const wasDragging = this.drag !== null;
    this.drag = null;
    this.draw();
    return wasDragging;
  }

  draw() {
    const context = this.canvas.getContext("2d");
    const ratio = window.devicePixelRatio || 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.canvas.clientWidth, this.canvas.clientHeight);
    if (!this.image) return;
    const { scale, left, top } = this.view();
    Object.assign(this.canvas.dataset, { scale, left, top });
    context.imageSmoothingEnabled = scale < 3;
    context.drawImage(this.image, left, top, this.image.width * scale, this.image.height * scale);
    this.#drawCross(context);
    for (const item of this.#items().sort((a, b) => a.active - b.active)) this.#drawItem(context, item);
    this.host.zoomed?.(scale);
  }

  #items() {
    const items = this.host.items();
    const drag = this.drag;
    if (drag?.box) {
      const item = items.find((other) => other.id === drag.id);
      if (item) Object.assign(item, { box: drag.box, human: true, confidence: 1 });
    }
    return items.filter((item) => item.box);
  }

  #screen([x, y, w, h]) {
    const { scale, left, top } = this.view();
    return [left + x * scale, top + y * scale, w * scale, h * scale];
  }

  #drawItem(context, item) {
    const [x, y, w, h] = this.#screen(item.box);
    context.lineWidth = 4;
    context.strokeStyle = "#0008";
    context.setLineDash([]);
    if (item.human) context.strokeRect(x, y, w, h);
    context.lineWidth = item.active ? 2.5 : 1.75;
    context.strokeStyle = item.colour;
    context.setLineDash(item.human ? [] : [7, 5]);
    context.strokeRect(x, y, w, h);
    context.setLineDash([]);
    if (item.active) {
      context.fillStyle = item.colour + "1c";
      context.fillRect(x, y, w, h);
      for (const [hx, hy] of Object.values(handles(x, y, w, h))) {
        context.fillStyle = "#0b0e11";
        context.fillRect(hx - 4, hy - 4, 8, 8);
        context.fillStyle = item.colour;
        context.fillRect(hx - 3, hy - 3, 6, 6);
      }
    }
    this.#drawName(context, item, x, y, h);
  }

  #drawName(context, item, x, y, h) {
    const text = item.human ? item.name : `${item.name} ${Math.round(item.confidence * 100)}%?`;
    context.font = "600 12.5px system-ui, 'DejaVu Sans', sans-serif";
    const width = context.measureText(text).width + 12;
    const left = Math.min(Math.max(2, x - 1), this.canvas.clientWidth - width - 2);
    const top = y >= 24 ? y - 22 : Math.min(y + h + 4, this.canvas.clientHeight - 20);
    context.fillStyle = item.human ? item.colour : "#0b0e11d0";
    context.beginPath();
    context.roundRect(left, top, width, 18, 4);
    context.fill();
    context.fillStyle = item.human ? "#10151a" : item.colour;
    context.fillText(text, left + 6, top + 13.5);
  }

  #drawCross(context) {
    if (!this.mouse || this.drag || !this.host.canEdit() || this.spaceDown) return;
    if (this.#hit(this.mouse).part !== "new") return;
    const [x, y] = this.mouse.map((value) => Math.round(value) + 0.5);
    const { scale, left, top } = this.view();
    context.lineWidth = 1;
    for (const [colour, dash] of [["#0009", []], ["#ffffffb0", [4, 4]]]) {
      context.strokeStyle = colour;
      context.setLineDash(dash);
      context.beginPath();
      context.moveTo(Math.max(0, left), y); context.lineTo(Math.min(this.canvas.clientWidth, left + this.image.width * scale), y);
      context.moveTo(x, Math.max(0, top)); context.lineTo(x, Math.min(this.canvas.clientHeight, top + this.image.height * scale));
      context.stroke();
    }
    context.setLineDash([]);
  }

  /** What is under a point: a handle or the inside of the active box, the inside of another, or nothing. */
  #hit(point) {
    const items = this.#items();
    const active = items.find((item) => item.active);
    if (active) {
      const box = this.#screen(active.box);
      for (const [part, [x, y]] of Object.entries(handles(...box))) {
        if (Math.abs(point[0] - x) <= HANDLE && Math.abs(point[1] - y) <= HANDLE) return { id: active.id, part, box: active.box };
      }
      if (inside(box, point)) return { id: active.id, part: "move", box: active.box };
    }
    const others = items.filter((item) => !item.active && inside(this.#screen(item.box), point));
    others.sort((a, b) => a.box[2] * a.box[3] - b.box[2] * b.box[3]);  // the smallest, if they overlap
    if (others.length && active) return { id: others[0].id, part: "move", box: others[0].box };
    return { id: this.host.activeId(), part: "new", box: null, under: others[0]?.id };
  }

  #point(event) {
    const place = this.canvas.getBoundingClientRect();
    return [event.clientX - place.left, event.clientY - place.top];
  }

  #down(event) {
    if (!this.image) return;
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    const point = this.#point(event);
    if (event.button !== 0 || this.spaceDown) {
      this.drag = { pan: true, from: point, centre: this.centre ?? [this.image.width / 2, this.image.height / 2] };
      this.canvas.style.cursor = "grabbing";
      return;
    }
    if (!this.host.canEdit()) return;
    const hit = event.shiftKey ? { id: this.host.activeId(), part: "new", box: null } : this.#hit(point);
    if (hit.part === "move") this.host.choose(hit.id);
    this.drag = { ...hit, from: point, start: hit.box, box: null };
  }

  #move(event) {
    this.mouse = this.#point(event);
    const drag = this.drag;
    if (drag?.pan) {
      const { scale } = this.view();
      this.centre = [drag.centre[0] - (this.mouse[0] - drag.from[0]) / scale, drag.centre[1] - (this.mouse[1] - drag.from[1]) / scale];
    } else if (drag && (drag.box || this.#moved(drag))) {
      drag.box = this.#dragged(drag);
    } else if (!drag && this.image) {
      const part = this.#hit(this.mouse).part;
      this.canvas.style.cursor = this.spaceDown ? "grab" : CURSORS[part] ?? "crosshair";
    }
    this.draw();
  }

  #moved(drag) { return Math.hypot(this.mouse[0] - drag.from[0], this.mouse[1] - drag.from[1]) >= SMALLEST_DRAG; }

  #dragged(drag) {
    const [fromX, fromY] = this.toFrame(drag.from);
    const [toX, toY] = this.toFrame(this.mouse);
    if (drag.part === "new") return within(this.image, fromCorners(fromX, fromY, toX, toY));
    let [x, y, w, h] = drag.start;
    if (drag.part === "move") return kept(this.image, [x + toX - fromX, y + toY - fromY, w, h]);
    let [right, bottom] = [x + w, y + h];
    if (drag.part.includes("w")) x += toX - fromX;
    if (drag.part.includes("e")) right += toX - fromX;
    if (drag.part.includes("n")) y += toY - fromY;
    if (drag.part.includes("s")) bottom += toY - fromY;
    return within(this.image, fromCorners(x, y, right, bottom));
  }

  #up() {
    const drag = this.drag;
    this.drag = null;
    this.canvas.style.cursor = "crosshair";
    if (drag?.box && drag.box[2] >= 1 && drag.box[3] >= 1) this.host.change(drag.id, drag.box);
    else if (drag && !drag.box && drag.under) this.host.choose(drag.under);  // a click
    this.draw();
  }

  #resize() {
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(this.canvas.clientWidth * ratio);
    this.canvas.height = Math.round(this.canvas.clientHeight * ratio);
    this.draw();
  }
}

function handles(x, y, w, h) {
  const corners = { nw: [x, y], ne: [x + w, y], sw: [x, y + h], se: [x + w, y + h] };
  const edges = { n: [x + w / 2, y], s: [x + w / 2, y + h], w: [x, y + h / 2], e: [x + w, y + h / 2] };
  return { ...corners, ...(w > 48 ? { n: edges.n, s: edges.s } : {}), ...(h > 48 ? { w: edges.w, e: edges.e } : {}) };
}

function inside([x, y, w, h], [px, py]) { return px >= x && px <= x + w && py >= y && py <= y + h; }

function fromCorners(x0, y0, x1, y1) { return [Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0)]; }

/** The part of a box that lies in the frame, to a tenth of a pixel. */
export function within(image, [x, y, w, h]) {
  const left = Math.min(Math.max(0, x), image.width - 1), top = Math.min(Math.max(0, y), image.height - 1);
  const right = Math.min(Math.max(left + 1, x + w), image.width), bottom = Math.min(Math.max(top + 1, y + h), image.height);
  return rounded([left, top, right - left, bottom - top]);
}

/** A moved box: of the same size, and with a part of it in the frame. */
export function kept(image, [x, y, w, h]) {
  const inX = Math.min(w, 4), inY = Math.min(h, 4);
  return rounded([Math.min(Math.max(inX - w, x), image.width - inX), Math.min(Math.max(inY - h, y), image.height - inY), w, h]);
}

function rounded(box) { return box.map((value) => Math.round(value * 10) / 10); }
