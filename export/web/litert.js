// A model in the browser: its web file by LiteRT.js, its tokenizer and its labels.

import {loadAndCompile, loadLiteRt, Tensor} from "@litertjs/core";
import {headOf} from "./heads.js";
import {filesWithin} from "./zip.js";

let runtime = null;

/** The head of the TFLite file at an address, which holds all that it needs. `wasm`: the folder of that of LiteRT.js. */
export async function load(address, wasm) {
  runtime ??= loadLiteRt(wasm).catch((error) => {
    runtime = null;     // the next call tries again
    throw error;
  });
  const bytes = new Uint8Array(await (await fetched(address)).arrayBuffer());
  const within = await filesWithin(bytes);
  const [facts, specification] = ["model.json", "tokenizer.json"].map((name) => {
    if (!within[name]) throw new Error(`expected ${name} in ${address}, received none; export the model again`);
    return JSON.parse(within[name]);
  });
  await runtime;
  const model = await loadAndCompile(bytes, {accelerator: "wasm"});
  const details = Object.fromEntries(Object.entries(model.signatures).map(([name, signature]) =>
    [name, Object.fromEntries(signature.getInputDetails().map((input) => [input.name, input]))]));
  const shapes = Object.fromEntries(Object.entries(details).map(([name, inputs]) =>
    [name, Object.fromEntries(Object.entries(inputs).map(([input, {shape}]) => [input, [...shape]]))]));
  const run = (signature, inputs) => answered(model, signature, inputs, details[signature]);
  return headOf({facts, specification, run, shapes});
}

async function fetched(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`expected ${address}, received ${response.status}`);
  return response;
}

/** The outputs of a signature as arrays of their own; tensors are freed by hand. */
async function answered(model, signature, inputs, details) {
  const tensors = Object.fromEntries(Object.entries(inputs).map(([name, values]) => {
    const {dtype, shape} = details[name];
    const kind = dtype === "int32" ? Int32Array : Float32Array;
    return [name, new Tensor(values instanceof kind ? values : kind.from(values), [...shape])];
  }));
  const found = await model.run(signature, tensors);
  const arrays = Object.fromEntries(Object.entries(found).map(([name, tensor]) => [name, tensor.toTypedArray().slice()]));
  for (const tensor of [...Object.values(tensors), ...Object.values(found)]) tensor.delete();
  return arrays;
}
