"""A head's ids signatures as TFLite files of builtin ops, and a small runner for them.

    float32   the weights as they are
    float16   weights stored in 16 bits, arithmetic in 32
    int8      dynamic range: weights in 8 bits, activations quantised as they come
    static    float32 for one text of one length, see `fixed_shapes`: for browsers and compiled models
    web       int8 for one text of one length: for browsers, which run ids, init and step
    int16x8   the signature `step` alone, for one text: products of weights in 8 bits and activations in
              16, whose ranges come from a calibration. A loop cannot be had in integers

The converter can crash the process it runs in, so it runs in one of its own, which is this file
with the argument `convert`.
"""
import itertools
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import zipfile

import numpy as np

from export import (
    ExportError, cannot_write, fixed_shapes, interrupt, one_line, plain_variables, stock_ops, tokenizer,
    unfinished)

VARIANTS = ("float32", "float16", "int8")
STATIC, INTEGER, WEB = "static", "int16x8", "web"
KNOWN = *VARIANTS, STATIC, WEB, INTEGER
CALIBRATION = "calibration.npz"
WITHIN = "model.json", "labels.txt", tokenizer.NAME     # what a file holds, to be used alone


def write(head, folder, name="model", variants=VARIANTS, evaluate=None, budget=0.005,
          baseline=None, force=False, length=64, calibration=None, on_file=lambda variant: None):
    """Write `folder/name_variant.tflite` for each variant, and beside them the head's assets and its
    tokenizer as tables, see `tokenizer`. What a prediction takes is within each file too, see `append`.

    Args:    evaluate  score(run) → float, higher is better, on validation data; run is the `Lite` of
                       a file
             budget    how far below `baseline` a variant's score may be, in the score's own unit:
                       the default is meant for shares, such as accuracy, F1 or R²
             baseline  the score to compare with; by default that of the first variant
             force     keep a variant that is over the budget
             length    tokens of a text in the variants "static" and "web"
             calibration  inputs of `step` as they come, one text's: [{name: array}]; "int16x8" needs them
             on_file   called with each variant once it is converted, or cannot be
    Returns: {variant: {"file", "bytes", "score"}}, where there is no file {variant: {"error"}} or
             {variant: {"refused", "score"}}: one line that says why
    Raises:  ExportError: an unknown variant, no variant converted, a folder that takes no files.
             Files of an earlier export, also of other variants, are replaced, or removed, only after
             all this
    """
    unknown = sorted(set(variants) - {*KNOWN})
    if unknown or not variants:
        raise ExportError(f"expected TFLite variants among {', '.join(KNOWN)}, "
                          f"received {', '.join(unknown) or 'none'}")
    if INTEGER in variants and not calibration:
        raise ExportError(f"expected inputs of step to calibrate {INTEGER} with, received none")
    with unfinished(folder) as work:
        try:
            _save(head, work / "model")
            if STATIC in variants:
                _save(head, work / STATIC, lambda free: fixed_shapes.fixed(free, length))
            if WEB in variants:
                _save(head, work / WEB,
                      lambda free: fixed_shapes.fixed(fixed_shapes.computed(free), length))
            if INTEGER in variants:
                _save(head, work / INTEGER, lambda free: fixed_shapes.fixed({"step": free["step"]}, 1))
                np.savez(work / CALIBRATION, **{name: np.stack([given[name] for given in calibration])
                                                for name in calibration[0]})
            entries = _convert_all(work, variants, on_file)
            _judge(work, entries, evaluate, budget, baseline, force)
            _publish(work, pathlib.Path(folder), name, entries,
                     {**head.assets(), **tokenizer.files(head.trackables.get("text"))})
        except OSError as error:
            raise cannot_write(folder, error) from None
    return entries


class Lite:
    """Runs a TFLite file: `Lite(path)(ids=[[2, 3]])` → {output name: array}.

    Takes any batch and any length from 1; numbers are cast to the type the signature wants. A file of
    fixed shapes is asked row by row, cut or padded: see `fixed_shapes`.
    `.signatures` lists what can be called, {name: {"inputs": […], "outputs": […]}}; `.length` is how many
    tokens of a text a file of fixed shapes takes, None of others.
    Raises ValueError: an unknown signature or input; FileNotFoundError: no such file.
    """

    def __init__(self, path, threads=1):
        if not os.path.isfile(path):
            raise FileNotFoundError(f"expected a TFLite file, found none at {path}")
        self._path, self._threads = path, threads
        self._open()
        self.signatures = self._interpreter.get_signature_list()
        self.length = self._length()

    def _length(self):
        if "ids" not in self.signatures:
            return None
        inputs = self._runner("ids").get_input_details()
        tokens = inputs.get("ids") or inputs.get("code_points") or next(iter(inputs.values()))
        return int(tokens["shape"][1]) if fixed_shapes.are_fixed(inputs) else None

    def _open(self):
        from ai_edge_litert.interpreter import Interpreter
        from export.quiet import standard_error_to
        self._interpreter = Interpreter(model_path=str(self._path), num_threads=self._threads)
        with standard_error_to(os.devnull):  # the first allocation logs the delegate it makes
            self._interpreter.allocate_tensors()
        self._runners, self._shapes = {}, {}

    def __call__(self, signature="ids", **inputs):
        expected = self._runner(signature).get_input_details()
        if set(inputs) != set(expected):
            raise ValueError(f"signature {signature!r}: expected inputs {sorted(expected)}, "
                             f"received {sorted(inputs)}")
        arrays = {key: np.asarray(value, expected[key]["dtype"]) for key, value in inputs.items()}
        if fixed_shapes.are_fixed(expected):
            return fixed_shapes.by_rows(self._runner(signature), arrays, expected)
        self._reopen_for(signature, {key: array.shape for key, array in arrays.items()})
        return self._runner(signature)(**arrays)

    def _reopen_for(self, signature, shapes):
        """A new interpreter for new shapes: ai-edge-litert 2.3 resizes an old one with stale memory."""
        if self._shapes.get(signature, shapes) != shapes:
            self._open()
        self._shapes[signature] = shapes

    def _runner(self, signature):
        if signature not in self.signatures:
            raise ValueError(f"expected a signature among {sorted(self.signatures)}, "
                             f"received {signature!r}")
        if signature not in self._runners:
            self._runners[signature] = self._interpreter.get_signature_runner(signature)
        return self._runners[signature]


def measure(path, batches, signature="ids", requests=200):
    """The time of one example on one thread: of the rows of `batches`, each {input name: array}.

    Returns: `verify.times` of the first `requests` rows, one by one
    """
    from export import verify  # it needs TensorFlow, which files do not
    run, milliseconds = Lite(path), []
    for row in itertools.islice(itertools.chain.from_iterable(map(_rows, batches)), requests):
        run(signature, **row)  # a first call for this length is not what a device repeats
        start = time.perf_counter()
        run(signature, **row)
        milliseconds.append(1e3 * (time.perf_counter() - start))
    return verify.times(milliseconds)


def _rows(batch):
    """The examples of a batch, each a batch of one."""
    count = len(next(iter(batch.values())))
    return ({name: array[n:n + 1] for name, array in batch.items()} for n in range(count))


def op_names(path):
    """Names of the ops in a TFLite file, all subgraphs; a custom (or Flex) op as `custom NAME`."""
    from ai_edge_litert import schema_py_generated as schema
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(pathlib.Path(path).read_bytes(), 0))
    builtin = {code: name for name, code in vars(schema.BuiltinOperator).items()
               if isinstance(code, int)}
    codes = [(max(op.builtinCode, op.deprecatedBuiltinCode), op.customCode)
             for op in model.operatorCodes]
    return sorted(f"custom {custom.decode()}" if custom else builtin[code]
                  for code, custom in codes)


def _save(head, path, changed=lambda signatures: signatures):
    """A SavedModel of the lite signatures alone, perhaps `changed`, for the converter to read."""
    import tensorflow as tf
    module = tf.Module()
    module.weights = plain_variables(head)
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    try:
        with stock_ops("lite"):
            tf.saved_model.save(module, str(path), changed(_lite_signatures(head)), options)
    except tf.errors.OpError as error:
        raise cannot_write(path.parent.parent, error) from None
    except AssertionError as error:
        raise ExportError(f"cannot save the head for TFLite: {one_line(error)}") from error


def _lite_signatures(head):
    """Those of the head. States to start with are computed, where they are constants too: LiteRT's
    compiled models cannot give an output that is a constant."""
    free = head.lite_signatures()
    return {**free, **fixed_shapes.computed({name: free[name] for name in {"init"} & set(free)})}


def _convert_all(work, variants, on_file=lambda variant: None):
    """{variant: {} or {"error"}}: the files are in `work`. A crash costs one variant, not all."""
    entries, waiting = {}, list(variants)
    while waiting:
        code, done = _converter(work, waiting, on_file)
        entries.update(done)
        waiting = [variant for variant in waiting if variant not in done]
        if waiting:
            entries[waiting.pop(0)] = {"error": f"the converter crashed (exit status {code})"}
    if all("error" in entry for entry in entries.values()):
        raise ExportError("no TFLite file could be converted: "
                          + "; ".join(f"{key}: {entries[key]['error']}" for key in entries))
    return {variant: entries[variant] for variant in variants}


def _converter(work, variants, on_file):
    """Exit status of a converter process, and {variant: {} or {"error"}} as far as it came."""
    root = pathlib.Path(__file__).resolve().parents[1]
    done = {}
    with subprocess.Popen(
            [sys.executable, "-m", "export.tflite", "convert", str(work.resolve()), *variants],
            cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}) as child:
        try:
            for line in child.stdout:
                if line.startswith(b'{"variant"'):
                    entry = json.loads(line)
                    if "unwritable" in entry:
                        raise OSError(entry["unwritable"])
                    variant = entry.pop("variant")
                    done[variant] = entry
                    on_file(variant)
        except BaseException:
            child.kill()
            raise
    return child.returncode, done


def convert(work, variants):
    """Convert the SavedModels in `work` to `work/variant.tflite`; a line of JSON on stdout for each."""
    for variant in variants:
        entry = {"variant": variant}
        try:
            source = work / (variant if variant in (STATIC, WEB, INTEGER) else "model")
            (work / f"{variant}.tflite").write_bytes(_flatbuffer(source, variant))
        except OSError as error:
            entry["unwritable"] = error.strerror or str(error)
        except Exception as error:
            entry["error"] = reason(error)
        print(json.dumps(entry), flush=True)


def _flatbuffer(saved_model, variant):
    import tensorflow as tf
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    # Without it every step of a loop copies the whole list of outputs.
    converter._experimental_enable_dynamic_update_slice = True
    if variant not in ("float32", STATIC):
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if variant == INTEGER:
        # What has no integer kernel, such as the lookup of an embedding, stays in float32.
        integers = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [integers, tf.lite.OpsSet.TFLITE_BUILTINS]
        converter.representative_dataset = lambda: _calibration(saved_model.with_name(CALIBRATION))
    return converter.convert()


def _calibration(path):
    """The inputs that `write` was given, as the converter asks for them."""
    with np.load(path) as stored:
        inputs = dict(stored)
    for values in zip(*inputs.values()):
        yield "step", dict(zip(inputs, values))


def reason(error):
    """The converter's complaint in one line: the ops it has no builtin for, or the one that it could not
    do, or its first words.

    >>> reason(ValueError("…\\nTF Select ops: Betainc, Qr\\nDetails: …\\nCustom ops: Erfinv\\n…"))
    'no TFLite builtin for Betainc, Qr, Erfinv'
    >>> reason(ValueError('error: loc(fused["Sort:", "a"] at fused["Call:"]): failed to lower it\\n…'))
    'Sort: failed to lower it'
    """
    named = re.findall(r"(?:Select|Flex|Custom) ops: (.+)", str(error))
    if named:
        return f"no TFLite builtin for {', '.join(named)}"
    place = re.search(r'fused\["(\w+):.*?(failed to .+)', str(error))
    if place:
        return one_line(f"{place[1]}: {place[2]}")
    return one_line(error) or repr(error)


def _judge(work, entries, evaluate, budget, baseline, force):
    """Add the size and the score to each entry; refuse what holds a custom op or lost too much."""
    for variant, entry in entries.items():
        path = work / f"{variant}.tflite"
        if "error" in entry:
            continue
        custom = [name for name in op_names(path) if name.startswith("custom")]
        if custom:
            entry["refused"] = f"expected builtin ops only, found {', '.join(custom)}"
            continue
        if evaluate:
            run = Lite(path)
            entry["score"] = float(evaluate(run))
            baseline = entry["score"] if baseline is None else baseline
            if not entry["score"] >= baseline - budget and not force:
                entry["refused"] = (f"score {entry['score']:.4f} is more than {budget} below "
                                    f"{baseline:.4f}; --mode=export --force keeps it all the same")


def _publish(work, folder, name, entries, assets):
    """Rename what is good into `folder`; no file of an earlier model stays beside other assets."""
    for variant in {*KNOWN} - {*entries}:
        (folder / f"{name}_{variant}.tflite").unlink(missing_ok=True)
    for file, text in assets.items():
        (work / file).write_text(text, encoding="utf-8")
        os.replace(work / file, folder / file)
    for variant, entry in entries.items():
        target = folder / f"{name}_{variant}.tflite"
        if "error" in entry or "refused" in entry:
            target.unlink(missing_ok=True)
            continue
        append(work / f"{variant}.tflite", {name: assets[name] for name in WITHIN if name in assets})
        os.replace(work / f"{variant}.tflite", target)
        entry.update(file=target.name, bytes=target.stat().st_size)


def append(path, files):
    """Append files {name: text} to a TFLite file as a zip, which its runtimes pass over."""
    with zipfile.ZipFile(path, "a") as within:
        for name, text in files.items():
            within.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    interrupt.end_at_once()
    convert(pathlib.Path(sys.argv[2]), sys.argv[3:])
