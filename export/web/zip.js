// The zip at the end of a TFLite file: model.json, labels.txt, tokenizer.json. Its offsets count from the file's start.

const END = 0x06054b50, ENDING = 22;      // the record at the end, without a comment
const ENTRY = 46, HEADER = 30;            // bytes before the names, in the directory and before each file
const DEFLATED = 8;

/** {name: text} of the files in the zip at the end of an array of bytes; nothing where there is no zip. */
export async function filesWithin(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), end = bytes.length - ENDING;
  if (end < 0 || view.getUint32(end, true) !== END) return {};
  const found = {};
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left -= 1) {
    const [name, more, comment] = [28, 30, 32].map((place) => view.getUint16(at + place, true));
    found[text(bytes.subarray(at + ENTRY, at + ENTRY + name))] = text(await content(bytes, view, at));
    at += ENTRY + name + more + comment;
  }
  return found;
}

/** The bytes of the file whose entry in the directory starts here. */
async function content(bytes, view, entry) {
  const header = view.getUint32(entry + 42, true);
  const start = header + HEADER + view.getUint16(header + 26, true) + view.getUint16(header + 28, true);
  const stored = bytes.subarray(start, start + view.getUint32(entry + 20, true));
  if (view.getUint16(entry + 10, true) !== DEFLATED) return stored;
  const inflated = new Blob([stored]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(inflated).arrayBuffer());
}

const text = (bytes) => new TextDecoder().decode(bytes);
