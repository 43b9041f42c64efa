// The page: what a person draws or drops goes to the server, and what it answers is shown.

import { AnswerView } from "./answer.js";
import { call, hasKey, path, Problem, useKey } from "./api.js";
import { Asker } from "./asker.js";
import { Chooser } from "./chooser.js";
import * as curl from "./curl.js";
import { Pad } from "./pad.js";
import * as pictures from "./pictures.js";
import { centred, fit, grab, nested, show } from "./pixels.js";
import { SeenView } from "./seen.js";
import { read, understand } from "./signatures.js";

const LOOK = 5000; // milliseconds between two looks at the server's listing

const element = (id) => document.getElementById(id);
const checked = (id) => element(id).checked;

const answerView = new AnswerView(element);
const seenView = new SeenView(element);
const pad = new Pad(element("pad"), element("cursor"), (drawing) => changed(drawing));
const asker = new Asker(request, answered, failed);
const chooser = new Chooser(element("model"), element("version"), () => choose());

let plan = null; // what the chosen version takes, as from `understand`
let unfit = ""; // why it cannot be asked
let choosing = 0; // counts the choices; the metadata of an earlier one is not taken
let lost = false; // whether the server did not answer
let file = null; // the picture as it was given

// The server and its models

function tell(kind, state, problem = "") {
  element("state").dataset.is = kind;
  element("state").textContent = state;
  complain(problem);
}

function complain(problem) {
  element("problem").hidden = !problem;
  // It is spoken whenever it changes.
  if (element("problem").textContent !== problem) element("problem").textContent = problem;
}

function failed(error) {
  if (!(error instanceof Problem)) {
    console.error(error);
    tell("bad", "error", `This page made a mistake: ${error.message}`);
  } else if (error.kind === "key") {
    tell("bad", "key needed", error.message);
    if (!element("key-form").hidden) return;
    element("key-form").hidden = false;
    element("key").focus();
  } else {
    lost = error.kind === "gone";
    const again = error.wait ? " Trying again." : "";
    tell(error.kind === "busy" ? "waiting" : "bad", error.kind, error.message + again);
    if (error.wait && plan) asker.askLater(error.wait);
  }
}

// Looks at what the server has now.
async function look() {
  let models;
  try {
    ({ models } = await call("/v1/models"));
  } catch (error) {
    failed(error);
    return;
  }
  element("key-form").hidden = true;
  const before = choosing;
  chooser.update(models);
  if (!models.length) {
    tell("waiting", "no model", "The server has no model yet.");
  } else if (!chooser.version) {
    const loading = models.some((one) => one.versions.some(({ state }) => state === "LOADING"));
    if (loading) tell("waiting", "loading");
    else tell("bad", "not served", "No version of a model is served. The server's log says why.");
  } else if (before === choosing && !plan && !unfit) {
    choose();
  } else if (lost && plan) {
    lost = false;
    tell("ready", "ready");
  }
}

// Gets to know the version that was chosen, and asks it.
async function choose() {
  const mine = ++choosing;
  asker.forget();
  plan = null;
  unfit = "";
  if (!chooser.version) return;
  let found;
  try {
    found = understand(await call(`${path(chooser.model.name, chooser.where)}/metadata`));
  } catch (error) {
    if (mine === choosing) failed(error);
    return;
  }
  if (mine !== choosing) return;
  answerView.begin(chooser.version.class_names ?? []);
  seenView.blank();
  if (!found.pixels) {
    unfit = `${chooser.model.name} has no signature for images: expected one with one input, `
      + "(n, height, width, 1 or 3), of a fixed size.";
    element("curl").textContent = "";
    tell("bad", "no images", unfit);
    return;
  }
  plan = found;
  colours();
  pad.shape(...plan.pixels.shape);
  tell("ready", "ready");
  changed(false);
}

// What is sent

// Called after every change of what is drawn or set.
function changed(drawing) {
  element("hint").hidden = !pad.empty;
  if (!pad.picture) file = null;
  else if (drawing) element("send").value = "pixels"; // strokes are not in the file
  if (!plan) return;
  offer();
  if (!pad.empty) {
    asker.ask();
    return;
  }
  asker.forget();
  answerView.blank();
  seenView.blank();
  writeCurl(null);
}

// Shows the settings that mean something now.
function offer() {
  const gray = plan.pixels.shape[2] === 1;
  const shown = {
    gray: gray && !pad.picture,
    colour: !gray,
    paper: !gray && !pad.picture,
    float: plan.pixels.float,
    picture: Boolean(pad.picture),
    file: Boolean(plan.bytes && file && pictures.inModel(file)),
  };
  for (const one of document.querySelectorAll("[data-for]")) one.hidden = !shown[one.dataset.for];
  if (!shown.file) element("send").value = "pixels";
  element("fit").disabled = element("invert").disabled = sendsFile();
  element("explain").disabled = !plan.explain || sendsFile();
  element("explain-note").hidden = Boolean(plan.explain);
  element("undo").disabled = element("clear").disabled = pad.empty;
}

const sendsFile = () => element("send").value === "file";

function colours() {
  const gray = plan?.pixels.shape[2] === 1;
  pad.ink = gray ? "#ffffff" : element("ink").value;
  pad.paper = gray ? "#000000" : element("paper").value;
}

// The pixels for the model: what it is sent, what is shown, and what the line for curl holds.
function pixelsNow() {
  const drawn = grab(pad.canvas);
  const { shape } = plan.pixels;
  const centre = shape[2] === 1 && !pad.picture && checked("centre");
  return centre ? centred(drawn, shape) : fit(drawn, shape, element("fit").value === "stretch");
}

function pixelsBody({ name, float, flat }, seen) {
  const scale = float && element("range").value === "1" ? 1 / 255 : 1;
  return JSON.stringify({ signature_name: name, instances: [nested(seen, scale, flat)] });
}

const bytesBody = (b64) => JSON.stringify({ signature_name: plan.bytes.name, instances: [{ b64 }] });

async function request(signal) {
  const seen = sendsFile() ? null : pixelsNow();
  writeCurl(seen);
  const signature = plan.explain && checked("explain") ? plan.explain : plan.pixels;
  const where = `${path(chooser.model.name, chooser.where)}:predict`;
  const body = seen ? pixelsBody(signature, seen) : bytesBody(await pictures.base64(file));
  const began = performance.now();
  const answer = await call(where, body, signal);
  return { answer: read(answer), seen, milliseconds: performance.now() - began };
}

function answered({ answer, seen, milliseconds }) {
  if (!answer) {
    tell("bad", "no scores", "The model's answer has no numbers for two or more classes.");
    return;
  }
  tell("ready", "ready");
  answerView.show(answer, milliseconds);
  if (seen) seenView.show(seen, answer.heat);
  else seenView.blank("The model decodes and resizes the file itself; those pixels do not come back.");
}

function writeCurl(seen) {
  const url = `${location.origin}${path(chooser.model.name, chooser.where)}:predict`;
  let line = "Draw something, and the line that sends it is here.";
  if (seen && plan.bytes) {
    // A PNG of the pixels is ten times shorter than their numbers, and the same to the model.
    const canvas = document.createElement("canvas");
    show(seen, canvas);
    line = curl.line(url, bytesBody(canvas.toDataURL("image/png").split(",")[1]), hasKey());
  } else if (seen) {
    line = curl.line(url, pixelsBody(plan.pixels, seen), hasKey());
  } else if (file) {
    line = curl.fileLine(url, plan.bytes.name, file.name, hasKey());
  }
  element("curl").textContent = line;
  element("copy").disabled = !seen && !file;
}

async function take(given) {
  let bitmap;
  try {
    bitmap = await pictures.decoded(given);
  } catch (error) {
    complain(error.message);
    return;
  }
  complain("");
  file = given;
  pad.lay(bitmap);
  bitmap.close();
}

// What a person does

pictures.listen(element("file"), element("open"), element("stage"), take);
element("clear").addEventListener("click", () => pad.clear());
element("undo").addEventListener("click", () => pad.undo());
element("pen").addEventListener("input", ({ target }) => { pad.pen = target.value / 100; });
for (const id of ["invert", "ink", "paper"]) {
  element(id).addEventListener("input", () => {
    pad.inverted = checked("invert");
    colours();
    pad.draw();
    changed(false);
  });
}
for (const id of ["centre", "fit", "send", "explain", "range"]) {
  element(id).addEventListener("change", () => changed(false));
}
element("copy").addEventListener("click", async ({ target }) => {
  try {
    await navigator.clipboard.writeText(element("curl").textContent);
    target.textContent = "Copied";
  } catch {
    // Without https scripts have no clipboard, except on localhost.
    getSelection().selectAllChildren(element("curl"));
    target.textContent = "Selected: press Ctrl C";
  }
  setTimeout(() => { target.textContent = "Copy"; }, 2000);
});
element("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey(element("key").value);
  look();
});
setInterval(() => { if (!document.hidden) look(); }, LOOK);
look();
