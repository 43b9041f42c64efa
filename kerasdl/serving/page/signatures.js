// What a version's signatures take, read from its metadata, and what they return.

// Returns {pixels, bytes, explain}; each is null or {name, input}. pixels has also
// shape [height, width, channels], flat (gray without a dimension of channels) and float.
export function understand(metadata) {
  const definitions = metadata?.metadata?.signature_def?.signature_def ?? {};
  const names = Object.keys(definitions)
    .sort((a, b) => (b === "serving_default") - (a === "serving_default"));
  const found = { pixels: null, bytes: null, explain: null };
  for (const name of names) {
    const { inputs = {}, outputs = {} } = definitions[name];
    if (Object.keys(inputs).length !== 1) continue;
    const [input, tensor] = Object.entries(inputs)[0];
    const image = imageInput(tensor);
    if (image) found[outputs.heatmap ? "explain" : "pixels"] ??= { name, input, ...image };
    // Other strings are tf.Examples.
    else if (tensor.dtype === "DT_STRING" && /image|bytes|b64/.test(name + input)) {
      found.bytes ??= { name, input };
    }
  }
  return found;
}

function imageInput({ dtype, tensor_shape: shape }) {
  const float = dtype === "DT_FLOAT" || dtype === "DT_HALF" || dtype === "DT_BFLOAT16";
  if ((!float && dtype !== "DT_UINT8" && dtype !== "DT_INT32") || shape?.unknown_rank) return null;
  const sizes = (shape?.dim ?? []).map((dim) => Number(dim.size));
  if (sizes.length !== 3 && sizes.length !== 4) return null;
  const [rows, height, width, channels = 1] = sizes;
  const image = height > 1 && width > 1 && (channels === 1 || channels === 3);
  if ((rows !== -1 && rows !== 1) || !image) return null;
  return { shape: [height, width, channels], flat: sizes.length === 3, float };
}

// Reads the first prediction of an answer: {chances, softmax, best, label, heat}, or null.
export function read(answer) {
  const row = answer?.predictions?.[0];
  const outputs = Array.isArray(row) ? { scores: row } : row;
  const vector = (value) =>
    Array.isArray(value) && value.length > 1 && value.every((one) => typeof one === "number");
  const scores = [outputs?.probabilities, ...Object.values(outputs ?? {})].find(vector);
  if (!scores) return null;
  const sum = scores.reduce((a, b) => a + b);
  const softmax = Math.min(...scores) < 0 || Math.abs(sum - 1) > 0.01;
  const chances = softmax ? softened(scores) : scores;
  const best = chances.indexOf(Math.max(...chances));
  // With two equally likely classes the label is that of the model's own choice.
  const own = Number.isInteger(outputs.classes) ? outputs.classes : best;
  const label = typeof outputs.labels === "string" ? outputs.labels : null;
  return { chances, softmax, best: own, label, heat: outputs.heatmap ?? null };
}

function softened(scores) {
  const most = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - most));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}
