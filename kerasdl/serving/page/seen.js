// The pixels that a model saw, and the heat map over them.

import { show } from "./pixels.js";

// Black, purple, red, orange, yellow: brighter is warmer, also for the colour-blind.
const HEAT = [[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]];
const OPAQUE = 215;

export class SeenView {
  constructor(element) {
    this.element = element;
  }

  blank(note = "") {
    const canvas = this.element("seen");
    canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
    canvas.setAttribute("aria-label", note || "Nothing yet");
    this.element("heat").hidden = true;
    this.element("seen-note").textContent = note;
  }

  // image: as in pixels.js. heat: rows of 0..1, or null.
  show(image, heat) {
    const { height, width, channels } = image;
    show(image, this.element("seen"));
    const over = heat ? ", over it a heat map of what speaks for the answer" : "";
    this.element("seen").setAttribute("aria-label", `${width} by ${height} pixels${over}`);
    const kind = channels === 1 ? "gray" : "red, green, blue";
    this.element("seen-note").textContent = `${width} × ${height} pixels, ${kind}`;
    this.element("heat").hidden = !heat;
    if (heat) paint(heat, this.element("heat"));
  }
}

// Paints a heat map; what is cold is transparent.
function paint(heat, canvas) {
  canvas.height = heat.length;
  canvas.width = heat[0].length;
  const image = new ImageData(canvas.width, canvas.height);
  heat.flat().forEach((value, pixel) => {
    const share = Math.min(1, Math.max(0, value ?? 0));
    const place = share * (HEAT.length - 1);
    const below = Math.min(HEAT.length - 2, Math.floor(place));
    HEAT[below].forEach((from, colour) => {
      image.data[4 * pixel + colour] = from + (place - below) * (HEAT[below + 1][colour] - from);
    });
    image.data[4 * pixel + 3] = OPAQUE * share;
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
}
