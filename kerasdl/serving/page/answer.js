// The answer as bars, its time, and a sentence for screen readers.

const MOST = 10; // bars
const FIXED = 12; // up to so many classes stay in their order
const SETTLED = 700; // milliseconds without another answer, then it is spoken
const KEPT = 50; // times of requests

const percent = (chance) => `${(100 * chance).toFixed(chance > 0 && chance < 0.0995 ? 2 : 1)} %`;

export class AnswerView {
  constructor(element) {
    this.element = element; // finds elements of the page by id
    this.names = new Map();
    this.bars = [];
    this.times = [];
    this.timer = 0;
  }

  // Starts anew with another model; names: those of its classes, as far as they are known.
  begin(names) {
    this.names = new Map(names.entries());
    this.times = [];
    this.element("bars").replaceChildren();
    this.bars = [];
    this.blank();
    this.element("latency").textContent = "No request yet";
    this.element("scores").hidden = true;
  }

  blank() {
    clearTimeout(this.timer);
    this.element("label").textContent = "–";
    this.element("sure").textContent = "";
    this.element("spoken").textContent = "";
    for (const bar of this.bars) fill(bar, 0, false);
  }

  // answer: as from `read`. milliseconds: from the request to its answer.
  show(answer, milliseconds) {
    // A model tells the name of what it answers and no other: names are learnt on the way.
    if (answer.label !== null) this.names.set(answer.best, answer.label);
    const name = this.name(answer.best);
    const sure = percent(answer.chances[answer.best]);
    this.element("label").textContent = name;
    this.element("sure").textContent = sure;
    this.element("scores").hidden = !answer.softmax;
    this.#bars(answer);
    this.#latency(milliseconds);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.element("spoken").textContent = `${name}, ${sure}`;
    }, SETTLED);
  }

  name(index) {
    return this.names.get(index) ?? `class ${index}`;
  }

  #bars({ chances, best }) {
    let order = chances.map((_, index) => index);
    if (chances.length > FIXED) {
      order.sort((a, b) => chances[b] - chances[a]);
      order = order.slice(0, MOST);
    }
    const list = this.element("bars");
    if (this.bars.length !== order.length) {
      this.bars = order.map(() => bar());
      list.replaceChildren(...this.bars);
    }
    order.forEach((index, place) => {
      this.bars[place].firstChild.textContent = this.name(index);
      fill(this.bars[place], chances[index], index === best);
    });
  }

  #latency(milliseconds) {
    this.times = [...this.times, milliseconds].slice(-KEPT);
    const sorted = [...this.times].sort((a, b) => a - b);
    const half = sorted.length / 2;
    const median = (sorted[Math.ceil(half) - 1] + sorted[Math.floor(half)]) / 2;
    const rounded = (time) => time < 10 ? time.toFixed(1) : Math.round(time);
    this.element("latency").textContent =
      `${rounded(milliseconds)} ms there and back; median of ${sorted.length}: ${rounded(median)} ms`;
  }
}

function bar() {
  const item = document.createElement("li");
  const rail = document.createElement("span");
  rail.className = "rail";
  rail.setAttribute("aria-hidden", "true");
  rail.append(document.createElement("span"));
  const [name, value] = [document.createElement("span"), document.createElement("span")];
  name.className = "name";
  value.className = "value";
  item.append(name, rail, value);
  return item;
}

function fill(item, chance, best) {
  const [, rail, value] = item.children;
  rail.firstChild.style.transform = `scaleX(${chance})`;
  value.textContent = percent(chance);
  item.classList.toggle("best", best);
}
