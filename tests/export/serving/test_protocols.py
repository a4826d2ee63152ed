"""Requests of both protocols become arrays, answers the bodies that TF Serving's REST API documents."""
import base64
import json

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from export.serving import limits
from export.serving.tensors import BadRequest

pytest.importorskip("orjson", reason="no KServe: pip install 'recurrent-zoo[serve]'")
from export.serving import protocols  # noqa: E402


def signature(defaults=(), **inputs):
    """A SignatureDef of {name: (dtype, shape)}; the defaults are names."""
    found = meta_graph_pb2.SignatureDef()
    for name, (dtype, shape) in inputs.items():
        found.inputs[name].dtype = tf.as_dtype(dtype).as_datatype_enum
        found.inputs[name].tensor_shape.CopyFrom(tf.TensorShape(shape).as_proto())
        if name in defaults:
            found.defaults[name].CopyFrom(tf.make_tensor_proto(0, tf.as_dtype(dtype)))
    return found


SIGNATURES = {
    "serving_default": signature(text=("string", [None])),
    "ids": signature(ids=("int32", [None, None])),
    "step": signature(ids=("int32", [None]), state=("float32", [None, 2])),
    "tokens": signature(tokens=("string", [None, None])),
    "beam": signature(["width", "alpha"], text=("string", [None]), width=("int32", []),
                      alpha=("float32", []))}


def v1(signature="serving_default", **request):
    name, inputs, form = protocols.v1({**request, "signature_name": signature}, SIGNATURES)
    assert name == signature
    return inputs


def v2(signature="serving_default", outputs=None, **inputs):
    """Inputs as {name: (datatype, shape, data)}."""
    tensors = [{"name": name, "datatype": kind, "shape": shape, "data": data}
               for name, (kind, shape, data) in inputs.items()]
    return protocols.v2({"parameters": {"signature_name": signature}, "inputs": tensors}, SIGNATURES)[1]


def same(inputs, **wanted):
    assert set(inputs) == set(wanted)
    for name, (dtype, values) in wanted.items():
        assert inputs[name].dtype == dtype and inputs[name].tolist() == values


def test_rows_and_columns_say_the_same():
    for request in ({"instances": ["a", "很好"]}, {"instances": [{"text": "a"}, {"text": "很好"}]},
                    {"inputs": ["a", "很好"]}, {"inputs": {"text": ["a", "很好"]}}):
        same(v1(**request), text=(object, [b"a", "很好".encode()]))


def test_rows_of_several_inputs_become_columns():
    rows = [{"ids": 1, "state": [1, 2.5]}, {"ids": 2, "state": [3, 4]}]
    columns = {"ids": [1, 2], "state": [[1, 2.5], [3, 4]]}
    for request in ({"instances": rows}, {"inputs": columns}):
        same(v1("step", **request), ids=(np.int32, [1, 2]), state=(np.float32, [[1, 2.5], [3, 4]]))


def test_any_bytes_go_as_base64():
    data = {"b64": base64.b64encode(b"\xff\0 ok").decode()}
    for request in ({"instances": [data]}, {"instances": [{"text": data}]}, {"inputs": {"text": [data]}}):
        same(v1(**request), text=(object, [b"\xff\0 ok"]))


def test_texts_of_one_length_stay_objects():
    same(v1(instances=["ab", "cd"]), text=(object, [b"ab", b"cd"]))
    same(v1("tokens", instances=[["a", ""], ["b", "c"]]), tokens=(object, [[b"a", b""], [b"b", b"c"]]))


def test_settings_may_be_left_out_or_given():
    same(v1("beam", instances=["a"]), text=(object, [b"a"]))
    same(v1("beam", inputs={"text": ["a"], "width": 3}), text=(object, [b"a"]), width=(np.int32, 3))


def test_tensors_of_v2_are_flat_or_nested():
    for data in ([1, 2, 3, 4], [[1, 2], [3, 4]]):
        same(v2("ids", ids=("INT32", [2, 2], data)), ids=(np.int32, [[1, 2], [3, 4]]))
    same(v2("beam", text=("BYTES", [1], ["a"]), alpha=("FP32", [], [0.5])),
         text=(object, [b"a"]), alpha=(np.float32, 0.5))


def deep(depth):
    value = "a"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("request_, said", [
    ({}, "expected {\"instances\".*received the keys \\['signature_name'\\]"),
    ({"instances": [], "inputs": []}, "received the keys"), ({"instances": ["a"], "x": 1}, "'x'"),
    ({"instances": "a"}, "instances: expected a list, received 'a'"),
    ({"instances": []}, "at least one; received text \\[0\\]"),
    ({"instances": [3]}, "expected texts, received 3"),
    ({"instances": [None]}, "expected texts, received None"), ({"instances": [["a"]]}, "expected texts"),
    ({"instances": [True]}, "expected texts, received True"),
    ({"inputs": ["a", 3]}, "expected texts, received 3"),
    ({"instances": [{"txt": "a"}]}, "signature serving_default: expected text; received \\['txt'\\]"),
    ({"instances": [{"text": "a"}, {}]}, "same names in every row, received \\['text'\\] and \\[\\]"),
    ({"instances": ["\ud800"]}, "half a surrogate pair: '.ud800'"),
    ({"instances": [{"b64": "?"}]}, "text: "),
    ({"instances": [{"b64": 1}]}, "expected texts"), ({"instances": [deep(5000)]}, "expected texts"),
    ({"inputs": {"text": deep(900)}}, "expected texts"),
    ({"inputs": {"text": 5}}, "expected texts, received 5")])
def test_what_v1_refuses_is_one_clear_line(request_, said):
    with pytest.raises(BadRequest, match=said) as caught:
        v1(**request_)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize("name, inputs, said", [
    ("ids", [[1, 2], [3]], "expected lists of one length, received 1 to 2"),
    ("ids", [[1.0]], "expected whole numbers, received 1.0"), ("ids", [[True]], "received True"),
    ("ids", [["1"]], "received '1'"), ("ids", [[2 ** 31]], "ids: .*2147483648"),
    ("ids", [[10 ** 30]], "ids: "), ("ids", [[10 ** 400]], "ids: "),
    ("ids", [1], "expected a list, received 1"), ("ids", [], "at least one"),
    ("step", [1], "expected {name: value} of ids, state; received values"),
    ("step", {"ids": [1]}, "signature step: expected ids, state; received \\['ids'\\]"),
    ("step", {"ids": [1, 2], "state": [[1, 2]]}, "same number of rows.*ids \\[2\\], state \\[1, 2\\]"),
    ("step", {"ids": [1], "state": [[1, 2, 3]]}, "expected the shape \\[-1, 2\\].*received \\[1, 3\\]"),
    ("step", {"ids": [1], "state": [[1, None]]}, "expected numbers, received None"),
    ("step", {"ids": [1], "state": [[1, 1e39]]}, "state: expected numbers of at most 3.40282e.38"),
    ("step", {"ids": [1], "state": [[1, 10 ** 400]]}, "state: "),
    ("beam", {"text": ["a"], "width": [3]}, "expected whole numbers, received \\[3\\]"),
    ("beam", {"text": ["a"], "depth": 3}, "and perhaps alpha, width; received \\['depth', 'text'\\]")])
def test_wrong_numbers_are_one_clear_line(name, inputs, said):
    with pytest.raises(BadRequest, match=said) as caught:
        v1(name, inputs=inputs)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize("name", ["x", 7, None, ["ids"], {"a": deep(50)}])
def test_an_unknown_signature_names_the_known(name):
    with pytest.raises(BadRequest, match="signature among beam, ids, serving_default, step, tokens; rec"):
        v1(name, instances=["a"])


@pytest.mark.parametrize("tensor, said", [
    (("FP32", [1, 1], [1]), "ids: expected the datatype INT32, received 'FP32'"),
    (("INT32", [1], [1]), "expected the shape \\[-1, -1\\].*received \\[1\\] with 1 values"),
    (("INT32", [2, 2], [1, 2, 3]), "received \\[2, 2\\] with 3 values"),
    (("INT32", [-1, -1], [1]), "received \\[-1, -1\\]"), (("INT32", [-1, 1], []), "received \\[-1, 1\\]"),
    (("INT32", [10 ** 30, 1], [1]), "with 1 values"),
    (("INT32", [1, 2], [[1], 2]), "expected a list, received 2"),
    (("INT32", [1, 1], deep(5000)), "expected whole numbers, received 'a'")])
def test_what_v2_refuses_is_one_clear_line(tensor, said):
    with pytest.raises(BadRequest, match=said) as caught:
        v2("ids", ids=tensor)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"\xff", b"{", b"nonsense", b"[" * 100_000, b'{"a": ' * 100_000,
                                  b"1" * 5000, b"[]", b"3", b'"a"', b"null", "{}".encode("utf-16")])
def test_a_body_that_is_no_object_of_json_is_one_clear_line(body):
    with pytest.raises(BadRequest, match="expected .*received ") as caught:
        protocols.parsed(body)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


OUTPUTS = {"label": np.array([b"good", b"\xff"], object),
           "probabilities": np.array([[0.25, 0.75], [1, 0]], np.float32)}


def answer(outputs, form="inputs"):
    return json.loads(protocols.v1_answer(outputs, form))


def test_answers_are_rows_or_columns():
    assert answer(OUTPUTS, "instances") == {"predictions": [
        {"label": "good", "probabilities": [0.25, 0.75]}, {"label": "\ufffd", "probabilities": [1, 0]}]}
    assert answer(OUTPUTS) == {"outputs": {
        "label": ["good", "\ufffd"], "probabilities": [[0.25, 0.75], [1, 0]]}}


def test_a_single_output_goes_without_its_name():
    alone = {"probabilities": OUTPUTS["probabilities"]}
    assert answer(alone, "instances") == {"predictions": [[0.25, 0.75], [1, 0]]}
    assert answer(alone) == {"outputs": [[0.25, 0.75], [1, 0]]}


def test_numbers_that_are_not_finite_are_written_as_tf_serving_does():
    values = {"x": np.array([[np.nan, np.inf], [-np.inf, 0.5]], np.float32)}
    assert b"[[NaN, Infinity], [-Infinity, 0.5]]" in protocols.v1_answer(values, "inputs")
    assert b"[NaN, Infinity]" in protocols.v1_answer({**OUTPUTS, **values}, "instances")
    body = b'{"inputs": {"ids": [1], "state": [[NaN, -Infinity]]}, "signature_name": "step"}'
    state = protocols.v1(protocols.parsed(body), SIGNATURES)[1]["state"]
    np.testing.assert_array_equal(state, np.array([[np.nan, -np.inf]], np.float32))


def test_outputs_named_bytes_go_as_base64():
    for shape in ([2], [1, 2]):
        texts = np.array([b"\xff", b"ok"], object).reshape(shape)
        got = answer({"raw_bytes": texts})["outputs"]
        assert [each["b64"] for each in np.ravel(got)] == ["/w==", "b2s="]


def test_texts_in_two_axes_are_nested_and_may_be_empty():
    texts = np.array([[b"a", b"b"], [b"c", b""]], object)
    assert answer({"tags": texts})["outputs"] == [["a", "b"], ["c", ""]]
    assert answer({"tags": texts[:, :0], "n": np.array([0, 0])}, "instances")["predictions"] == [
        {"tags": [], "n": 0}, {"tags": [], "n": 0}]


def test_a_value_alone_is_a_column_of_one_and_a_setting_is_one_for_all_rows():
    same(v1(inputs="a"), text=(object, [b"a"]))
    same(v1("beam", instances=[{"text": "a", "width": 3}, {"text": "b", "width": 3}]),
         text=(object, [b"a", b"b"]), width=(np.int32, 3))
    with pytest.raises(BadRequest, match="width: expected one value for all rows, received .3, 4."):
        v1("beam", instances=[{"text": "a", "width": 3}, {"text": "b", "width": 4}])


def v2_answer(request=(), outputs=OUTPUTS):
    body, size = protocols.v2_answer(dict(request), outputs, "m", 3)
    return json.loads(body[:size]), body[size:] if size else b""


def test_answers_of_v2_are_flat_with_their_shape():
    found, rest = v2_answer({"id": "7"})
    assert found == {"model_name": "m", "model_version": "3", "id": "7", "outputs": [
        {"name": "label", "shape": [2], "datatype": "BYTES", "data": ["good", "\ufffd"]},
        {"name": "probabilities", "shape": [2, 2], "datatype": "FP32", "data": [0.25, 0.75, 1, 0]}]}
    only, = v2_answer({"outputs": [{"name": "probabilities"}]})[0]["outputs"]
    assert only["name"] == "probabilities" and rest == b""
    with pytest.raises(BadRequest, match="expected outputs among label, probabilities; received 'x'"):
        v2_answer({"outputs": [{"name": "x"}]})


@pytest.mark.parametrize("wrong", [{"id": "\ud800"}, {"id": 3}, {"outputs": [{"name": "\ud800"}]},
                                   {"outputs": "x"}, {"outputs": ["x"]}])
def test_odd_ids_and_names_of_v2_are_one_clear_line(wrong):
    with pytest.raises(BadRequest) as caught:
        v2_answer(wrong)
    assert str(caught.value).encode() and "\n" not in str(caught.value)


def test_binary_tensors_follow_the_json():
    """As the binary data extension writes them: numbers in little endian, texts after their length."""
    data = b"\1\0\0\0\xff\2\0\0\0ok" + np.array([2.5, 0.5], "<f4").tobytes()
    tensors = [{"name": name, "datatype": kind, "shape": [2], "parameters": {"binary_data_size": size}}
               for name, kind, size in (("text", "BYTES", 11), ("state", "FP32", 8))]
    both = {"both": signature(text=("string", [None]), state=("float32", [None]))}
    request = {"inputs": tensors, "parameters": {"signature_name": "both"}}
    same(protocols.v2(request, both, data)[1], text=(object, [b"\xff", b"ok"]),
         state=(np.float32, [2.5, 0.5]))
    for wrong in (data[:-1], data + b"a", b"\1" + data[1:-8], b"\7" + data[1:]):
        with pytest.raises(BadRequest, match="expected"):
            protocols.v2(request, both, wrong)
    found, rest = v2_answer({"parameters": {"binary_data_output": True}})
    assert rest == b"\4\0\0\0good\1\0\0\0\xff" + OUTPUTS["probabilities"].tobytes()
    assert [each["parameters"]["binary_data_size"] for each in found["outputs"]] == [13, 16]


def test_metadata_names_types_and_shapes():
    assert protocols.tensors(SIGNATURES["step"].inputs) == [
        {"name": "ids", "datatype": "INT32", "shape": [-1]},
        {"name": "state", "datatype": "FP32", "shape": [-1, 2]}]


@pytest.mark.parametrize("inputs, size", [
    ({"text": ["abc", ""]}, 2 * 3), ({"text": ["", ""]}, 2), ({"text": ["很"]}, 3),
    ({"ids": [[1, 2, 3], [4, 5, 6]]}, 2 * 3), ({"tokens": [["a", "bcd"]]}, 1 * 2 * 3),
    ({"text": ["a", "bc", "c"], "width": 7}, 3 * 7 * 2), ({"text": ["a"], "width": -9}, 9),
    ({"text": ["a"], "alpha": 1e30}, 1), ({"ids": [[]]}, 1)])
def test_size_is_rows_by_the_greatest_length_by_the_width(inputs, size):
    name = next(name for name, each in SIGNATURES.items() if set(inputs) <= set(each.inputs)
                and set(each.inputs) - set(each.defaults) <= set(inputs))
    arrays = v1(name, inputs=inputs)
    assert limits.check(arrays, {}, size) == size
    for most in ({"size": size - 1}, {}):
        with pytest.raises(BadRequest, match=f"expected at most {size - 1} rows × length"):
            limits.check(arrays, most, size if most else size - 1)


def test_a_version_limits_its_inputs_by_name():
    arrays = v1("beam", inputs={"text": ["abc", "d"], "width": 60})
    assert limits.check(arrays, {"text": 3, "width": 60, "rows": 120}) == 2 * 60 * 3
    for most, said in (({"text": 2}, "text: expected at most 2, received 3"),
                       ({"width": 59}, "width: expected at most 59, received 60"),
                       ({"rows": 119}, "expected at most 119 rows, received 120")):
        with pytest.raises(BadRequest, match=said):
            limits.check(arrays, most)
    with pytest.raises(BadRequest, match="width: expected at most 64, received 65"):
        limits.check(v1("beam", inputs={"text": ["a"], "width": 65}), {})


def test_an_answer_is_limited_before_it_is_computed_where_its_size_is_known():
    both = signature(text=("string", [None]))
    both.outputs["x"].tensor_shape.CopyFrom(tf.TensorShape([None, 5, 4]).as_proto())
    both.outputs["tags"].tensor_shape.CopyFrom(tf.TensorShape([None, None]).as_proto())
    rows = {"text": np.array([b"a"] * 3, object)}
    limits.check_answer_ahead(both, rows, 3 * 21)
    with pytest.raises(BadRequest, match="at most 62 numbers and bytes of text, this one has 63"):
        limits.check_answer_ahead(both, rows, 62)
    limits.check_answer(OUTPUTS, 6 + 5)
    with pytest.raises(BadRequest, match="at most 10 .* this one has 11"):
        limits.check_answer(OUTPUTS, 10)
