// From a canvas to the pixels of a model, as kerasdl's exports do it with an encoded picture
// (kerasdl/export/decode.py), so that both ways give the same answer.
//
// An image is {height, width, channels, data}, data an array of rows of pixels of channels, 0..255.

const BRIGHTNESS = [0.299, 0.587, 0.114]; // Rec. 601
const INK = 24; // what differs less from the paper is no ink
const BOX = 20 / 28; // of the image's height and width, as MNIST's digits have it

// Reads the pixels of a canvas; it has no transparency.
export function grab(canvas) {
  const { width, height } = canvas;
  const rgba = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  const data = new Float32Array(height * width * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    data[to++] = rgba[from];
    data[to++] = rgba[from + 1];
    data[to++] = rgba[from + 2];
  }
  return { height, width, channels: 3, data };
}

// Brings an image to a model's shape [height, width, channels].
//
// stretch: height and width each for itself. Otherwise the proportions are kept, and the rest,
// half on each side, gets the median colour of the border.
export function fit(image, [height, width, channels], stretch) {
  if (image.height === height && image.width === width) return withChannels(image, channels);
  if (stretch) return withChannels(resize(image, height, width), channels);
  const scale = Math.min(height / image.height, width / image.width);
  const size = (own, whole) => Math.min(whole, Math.max(1, Math.round(scale * own)));
  const small = withChannels(
    resize(image, size(image.height, height), size(image.width, width)), channels);
  const whole = filled(height, width, border(small));
  paste(small, whole, (height - small.height) >> 1, (width - small.width) >> 1);
  return whole;
}

// Brings a drawing to a gray model's shape as the digits of MNIST were: scaled to fit a box of
// 20 of 28 pixels, its centre of mass in the middle (LeCun, Bottou, Bengio and Haffner,
// Gradient-based learning applied to document recognition, 1998, section III A).
export function centred(image, [height, width]) {
  const gray = withChannels(image, 1);
  const paper = border(gray)[0];
  const box = inked(gray, paper);
  if (!box) return filled(height, width, [paper]);
  const cut = crop(gray, box);
  const scale = Math.min(BOX * height / cut.height, BOX * width / cut.width);
  const small = resize(
    cut, Math.max(1, Math.round(scale * cut.height)), Math.max(1, Math.round(scale * cut.width)));
  const [down, right] = middle(small, paper);
  const whole = filled(height, width, [paper]);
  const top = Math.round(height / 2 - down), left = Math.round(width / 2 - right);
  paste(small, whole,
    Math.min(Math.max(0, top), height - small.height),
    Math.min(Math.max(0, left), width - small.width));
  return whole;
}

// Draws an image on a canvas of its size.
export function show(image, canvas) {
  const { height, width, channels, data } = image;
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const picture = new ImageData(width, height);
  for (let pixel = 0; pixel < height * width; pixel++) {
    for (let colour = 0; colour < 3; colour++) {
      picture.data[4 * pixel + colour] = data[channels * pixel + Math.min(colour, channels - 1)];
    }
    picture.data[4 * pixel + 3] = 255;
  }
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

// Returns nested lists (height, width, channels), or (height, width) for `flat` gray images.
export function nested({ height, width, channels, data }, scale, flat) {
  const value = (index) => data[index] * scale;
  return Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) => {
    const at = (y * width + x) * channels;
    return flat ? value(at) : Array.from({ length: channels }, (_, c) => value(at + c));
  }));
}

function withChannels(image, channels) {
  if (image.channels === channels) return image;
  const { height, width, data } = image;
  const gray = new Float32Array(height * width);
  for (let pixel = 0; pixel < gray.length; pixel++) {
    const at = 3 * pixel;
    gray[pixel] = Math.round(data[at] * BRIGHTNESS[0] + data[at + 1] * BRIGHTNESS[1]
      + data[at + 2] * BRIGHTNESS[2]);
  }
  return { height, width, channels, data: gray };
}

// Resizes with a triangle as filter, as wide as the pixels of the smaller image, so that
// nothing is left out: what canvases do when they draw smaller differs between browsers.
function resize(image, height, width) {
  const { channels } = image;
  const rows = weights(image.height, height), columns = weights(image.width, width);
  const flat = new Float32Array(image.height * width * channels);
  for (let y = 0; y < image.height; y++) {
    for (let x = 0; x < width; x++) {
      const { first, shares } = columns[x];
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        let at = (y * image.width + first) * channels + c;
        for (const share of shares) {
          sum += share * image.data[at];
          at += channels;
        }
        flat[(y * width + x) * channels + c] = sum;
      }
    }
  }
  const data = new Float32Array(height * width * channels);
  const row = width * channels;
  for (let y = 0; y < height; y++) {
    const { first, shares } = rows[y];
    for (let at = 0; at < row; at++) {
      let sum = 0;
      shares.forEach((share, index) => { sum += share * flat[(first + index) * row + at]; });
      data[y * row + at] = Math.min(255, Math.max(0, Math.round(sum)));
    }
  }
  return { height, width, channels, data };
}

function weights(from, to) {
  const step = from / to, reach = Math.max(1, step);
  return Array.from({ length: to }, (_, index) => {
    const centre = (index + 0.5) * step;
    const first = Math.max(0, Math.floor(centre - reach));
    const end = Math.min(from, Math.ceil(centre + reach));
    const shares = [];
    for (let at = first; at < end; at++) {
      shares.push(Math.max(0, 1 - Math.abs(at + 0.5 - centre) / reach));
    }
    const sum = shares.reduce((a, b) => a + b);
    return { first, shares: shares.map((share) => share / sum) };
  });
}

function border({ height, width, channels, data }) {
  const places = [];
  for (let x = 0; x < width; x++) places.push(x, (height - 1) * width + x);
  for (let y = 0; y < height; y++) places.push(y * width, y * width + width - 1);
  const half = places.length / 2;
  return Array.from({ length: channels }, (_, c) => {
    const values = places.map((at) => data[at * channels + c]).sort((a, b) => a - b);
    return Math.round((values[half - 1] + values[half]) / 2);
  });
}

function filled(height, width, colour) {
  const channels = colour.length;
  const data = new Float32Array(height * width * channels);
  for (let at = 0; at < data.length; at++) data[at] = colour[at % channels];
  return { height, width, channels, data };
}

function paste(small, whole, top, left) {
  const row = small.width * small.channels;
  for (let y = 0; y < small.height; y++) {
    whole.data.set(small.data.subarray(y * row, (y + 1) * row),
      ((top + y) * whole.width + left) * whole.channels);
  }
}

// Returns the box around what is not paper, or null when all is.
function inked({ height, width, data }, paper) {
  let top = height, left = width, bottom = -1, right = -1;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (Math.abs(data[y * width + x] - paper) < INK) continue;
      top = Math.min(top, y);
      bottom = y;
      left = Math.min(left, x);
      right = Math.max(right, x);
    }
  }
  return bottom < 0 ? null : { top, left, height: bottom - top + 1, width: right - left + 1 };
}

function crop({ width, data }, box) {
  const part = new Float32Array(box.height * box.width);
  for (let y = 0; y < box.height; y++) {
    const start = (box.top + y) * width + box.left;
    part.set(data.subarray(start, start + box.width), y * box.width);
  }
  return { height: box.height, width: box.width, channels: 1, data: part };
}

function middle({ height, width, data }, paper) {
  let mass = 0, down = 0, right = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const ink = Math.abs(data[y * width + x] - paper);
      mass += ink;
      down += ink * (y + 0.5);
      right += ink * (x + 0.5);
    }
  }
  return mass ? [down / mass, right / mass] : [height / 2, width / 2];
}
