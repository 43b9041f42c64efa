// The drawing area: strokes by pointer or keyboard, over paper or a picture.

const LONGEST = 448; // pixels of the longer side of a drawing
const LARGEST = 1024; // and of a picture
const STEP = 1 / 28;

export class Pad {
  // canvas and cursor: elements of one box. changed: called after every change; its argument
  // says whether a stroke is still being drawn.
  constructor(canvas, cursor, changed) {
    this.canvas = canvas;
    this.cursor = cursor;
    this.changed = changed;
    this.strokes = [];
    this.picture = null;
    this.proportions = [1, 1];
    this.pen = 0.08;
    this.ink = "#fff";
    this.paper = "#000";
    this.inverted = false;
    this.place = [0.5, 0.5];
    this.stroke = null;
    canvas.addEventListener("pointerdown", (event) => this.#start(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, () => this.#end());
    }
    canvas.addEventListener("keydown", (event) => this.#press(event));
    canvas.addEventListener("focus", () => { cursor.hidden = !canvas.matches(":focus-visible"); });
    canvas.addEventListener("blur", () => {
      cursor.hidden = true;
      this.#end();
    });
    this.draw();
  }

  get empty() {
    return !this.picture && !this.strokes.length;
  }

  // Gives the paper a model's height and width.
  shape(height, width) {
    this.proportions = [height, width];
    this.draw();
  }

  // Takes everything away.
  clear() {
    this.picture = null;
    this.strokes = [];
    this.stroke = null;
    this.draw();
    this.changed(false);
  }

  // Takes the last stroke back, then the picture.
  undo() {
    if (this.strokes.length) this.strokes.pop();
    else this.picture = null;
    this.stroke = null;
    this.draw();
    this.changed(false);
  }

  // Lays a picture (an ImageBitmap) on the paper; strokes go over it.
  lay(bitmap) {
    const scale = Math.min(1, LARGEST / Math.max(bitmap.width, bitmap.height));
    const picture = document.createElement("canvas");
    picture.width = Math.max(1, Math.round(scale * bitmap.width));
    picture.height = Math.max(1, Math.round(scale * bitmap.height));
    const context = picture.getContext("2d");
    context.fillStyle = "#fff"; // transparency lies over white, as in the exported model
    context.fillRect(0, 0, picture.width, picture.height);
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0, picture.width, picture.height);
    this.strokes = [];
    this.picture = picture;
    this.draw();
    this.changed(false);
  }

  draw() {
    const { canvas, picture } = this;
    const [height, width] = this.proportions;
    const scale = LONGEST / Math.max(height, width);
    const size = picture ?? { width: Math.round(scale * width), height: Math.round(scale * height) };
    if (canvas.width !== size.width || canvas.height !== size.height) {
      canvas.width = size.width;
      canvas.height = size.height;
    }
    canvas.parentElement.style.setProperty("--proportions", `${size.width} / ${size.height}`);
    canvas.parentElement.style.setProperty("--slim", Math.min(1, size.width / size.height));
    // Its pixels are read after every stroke.
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.fillStyle = this.paper;
    context.fillRect(0, 0, canvas.width, canvas.height);
    if (picture) context.drawImage(picture, 0, 0);
    context.lineCap = context.lineJoin = "round";
    for (const stroke of this.strokes) this.#line(context, stroke);
    if (this.inverted) {
      context.globalCompositeOperation = "difference";
      context.fillStyle = "#fff";
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.globalCompositeOperation = "source-over";
    }
    this.cursor.style.left = `${100 * this.place[0]}%`;
    this.cursor.style.top = `${100 * this.place[1]}%`;
    this.cursor.dataset.down = String(Boolean(this.stroke));
  }

  #line(context, { points, pen, ink }) {
    const { width, height } = this.canvas;
    context.strokeStyle = ink;
    context.lineWidth = pen * Math.min(width, height);
    context.beginPath();
    context.moveTo(points[0][0] * width, points[0][1] * height);
    // A line to where it starts is a dot.
    for (const [x, y] of points) context.lineTo(x * width, y * height);
    context.stroke();
  }

  #begin(place) {
    this.stroke = { points: [place], pen: this.pen, ink: this.ink };
    this.strokes.push(this.stroke);
    this.draw();
    this.changed(true);
  }

  #start(event) {
    if (event.button !== 0 || !event.isPrimary) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.cursor.hidden = true;
    this.#begin(this.#where(event));
  }

  #move(event) {
    if (!this.stroke || !event.isPrimary || !event.buttons) return;
    const steps = event.getCoalescedEvents?.() ?? [];
    for (const step of steps.length ? steps : [event]) this.stroke.points.push(this.#where(step));
    this.draw();
    this.changed(true);
  }

  #end() {
    if (!this.stroke) return;
    this.stroke = null;
    this.draw();
    this.changed(false);
  }

  #press(event) {
    const moves = {
      ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
    };
    const command = event.ctrlKey || event.metaKey;
    if (command && event.key.toLowerCase() === "z") this.undo();
    else if (command || event.altKey) return;
    else if (event.key === "Delete" || event.key === "Backspace") this.clear();
    else if (event.key === " ") this.#toggle();
    else if (event.key in moves) this.#step(moves[event.key], event.shiftKey ? 4 * STEP : STEP);
    else return;
    this.cursor.hidden = false;
    event.preventDefault();
  }

  #toggle() {
    if (this.stroke) this.#end();
    else this.#begin([...this.place]);
  }

  #step([right, down], step) {
    const inside = (value) => Math.min(1, Math.max(0, value));
    this.place = [inside(this.place[0] + right * step), inside(this.place[1] + down * step)];
    if (this.stroke) this.stroke.points.push([...this.place]);
    this.draw();
    if (this.stroke) this.changed(true);
  }

  #where(event) {
    const box = this.canvas.getBoundingClientRect();
    this.place = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    return this.place;
  }
}
