// Requests to the server, and what can go wrong with them as one sentence.

const PATIENCE = 20000; // milliseconds

export class Problem extends Error {
  // kind: "gone", "busy", "key" or "refused". wait: milliseconds until it is worth another try.
  constructor(kind, message, wait = 0) {
    super(message);
    this.kind = kind;
    this.wait = wait;
  }
}

let key = "";

export function useKey(text) {
  key = text;
}

export function hasKey() {
  return key !== "";
}

// GETs a path, or POSTs a body to it; returns the parsed answer.
export async function call(path, body, signal) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const signals = [AbortSignal.timeout(PATIENCE), ...(signal ? [signal] : [])];
  let response, text;
  try {
    response = await fetch(path, {
      method: body === undefined ? "GET" : "POST",
      body,
      headers,
      cache: "no-store",
      signal: AbortSignal.any(signals),
    });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    const slow = error.name === "TimeoutError";
    throw new Problem("gone", slow
      ? `The server has not answered within ${PATIENCE / 1000} seconds.`
      : "The server does not answer. Is it running?", 2000);
  }
  if (response.ok) return parsed(text);
  const said = message(text) || `status ${response.status}`;
  if (response.status === 401) {
    throw new Problem("key", key ? "The server does not take this key." : "");
  }
  if (response.status === 503 || response.status === 429) {
    const seconds = Number(response.headers.get("Retry-After")) || 1;
    throw new Problem("busy", `The server is busy (${response.status}): ${said}.`, 1000 * seconds);
  }
  throw new Problem("refused", `The server refused the request (${response.status}): ${said}`);
}

// The path of a model's version below /v1/models; where is "", "/versions/N" or "/labels/L".
export function path(model, where) {
  const coded = where.split("/").map(encodeURIComponent).join("/");
  return `/v1/models/${encodeURIComponent(model)}${coded}`;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    try {
      // TensorFlow Serving writes these bare, and JSON has no such numbers.
      return JSON.parse(text.replace(/(?<=[[,:]\s*)(NaN|-?Infinity)/g, "null"));
    } catch {
      throw new Problem("refused", "The server's answer is not JSON.");
    }
  }
}

function message(text) {
  try {
    return String(JSON.parse(text).error).replace(/\.$/, "");
  } catch {
    return "";
  }
}
