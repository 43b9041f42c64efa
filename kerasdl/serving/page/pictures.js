// Pictures that a person drops, pastes or chooses.

const LARGEST = 12 * 2 ** 20; // bytes; as base64 it fits the server's limit for a request
const TYPES = /^image\/(png|jpeg|bmp|gif|webp|avif)$/;

// Calls `take` with each file that comes; `stage` is marked while one hovers over the page.
export function listen(input, button, stage, take) {
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    take(input.files[0]);
    input.value = ""; // so that the same file can be chosen again
  });
  document.addEventListener("paste", ({ clipboardData }) => {
    if (clipboardData?.files.length) take(pick(clipboardData.files));
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    stage.classList.add("over");
  });
  document.addEventListener("dragleave", ({ relatedTarget }) => {
    if (!relatedTarget) stage.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    stage.classList.remove("over");
    if (event.dataTransfer?.files.length) take(pick(event.dataTransfer.files));
  });
}

// Decodes a file to an ImageBitmap; throws an Error with a sentence for the person.
export async function decoded(file) {
  if (!TYPES.test(file.type)) {
    throw new Error(
      `Expected a picture: PNG, JPEG, WebP, GIF or BMP. Received: ${file.type || file.name}`);
  }
  if (file.size > LARGEST) {
    const size = (file.size / 2 ** 20).toFixed(1);
    throw new Error(`Expected a picture of at most ${LARGEST / 2 ** 20} MB. Received: ${size} MB`);
  }
  try {
    return await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name} cannot be read: it is damaged or too large.`);
  }
}

// Whether an exported model decodes such a file itself.
export const inModel = (file) => /^image\/(png|jpeg|bmp)$/.test(file.type);

export async function base64(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return btoa(text);
}

const pick = (files) => [...files].find((one) => TYPES.test(one.type)) ?? files[0];
