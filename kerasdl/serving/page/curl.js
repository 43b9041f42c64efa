// The request as a line for a shell.

// Quotes a text for a POSIX shell.
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

// Returns the line that sends a body, a string of JSON.
export function line(url, body, withKey) {
  return `curl -s ${quoted(url)}${keyed(withKey)} -d ${quoted(body)}`;
}

// Returns the line that sends a file, whose bytes are read when it runs.
export function fileLine(url, signature, name, withKey) {
  const [before, after] = JSON.stringify(
    { signature_name: signature, instances: [{ b64: "@" }] }).split("@");
  // A name that begins with a dash is no option.
  const path = name.startsWith("-") ? `./${name}` : name;
  return `{ printf ${quoted(before)}; base64 < ${quoted(path)} | tr -d '\\n'; `
    + `printf ${quoted(after)}; } | curl -s ${quoted(url)}${keyed(withKey)} -d @-`;
}

// The key itself stays out of what people copy and paste.
function keyed(withKey) {
  return withKey ? ' -H "Authorization: Bearer $KEY"' : "";
}
