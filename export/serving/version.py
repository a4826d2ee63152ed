"""One version of a model, loaded by its graph alone, as TF Serving's C++ loads it."""

import numpy as np
import tensorflow as tf

from export import tf_serving, verify
from export.serving import batches, tensors

SERVER = list(verify.LACKS)[-1]  # this process has the ops of the newest
DEFAULT = "serving_default"


class Version:
    """Signatures that answer, each request alone or several in one call. Safe for concurrent use.

    Attributes: signatures  {name: SignatureDef}
                limits      {signature: {input: its greatest length or value}}, see `tf_serving.limits`
                joint       names of the signatures whose requests may share a call
    Raises:     ValueError, OSError, tf.errors.OpError, DecodeError: why it must not be served
    """

    def __init__(self, path):
        path = str(path)
        verify.check_ops(path, SERVER)
        verify.check_batch(path)
        self.signatures = check_signatures(verify.signatures(path))
        self.limits = tf_serving.limits(path)
        self._defaults = {name: {key: tf.make_ndarray(value) for key, value in one.defaults.items()}
                          for name, one in self.signatures.items()}
        # With threads of its own no other model's endless request holds it up.
        own = tf.compat.v1.ConfigProto(use_per_session_threads=True, inter_op_parallelism_threads=2)
        self._session = tf.compat.v1.Session(graph=tf.Graph(), config=own)
        with self._session.graph.as_default():
            tf.compat.v1.saved_model.load(self._session, ["serve"], path)
        self._calls = {name: self._callable(one) for name, one in self.signatures.items()}
        requests = tf_serving.warmup(path)
        answered = [(name, inputs, self.answer(name, inputs)) for name, inputs in requests]
        self.joint = {name for name in self.signatures if self._agree(name, answered)}

    def _callable(self, signature):
        """The session's function of the inputs in order of their names, which makes a call cheap."""
        fetches = [info.name for _, info in sorted(signature.outputs.items())]
        feeds = [info.name for _, info in sorted(signature.inputs.items())]
        with self._session.graph.as_default():
            return self._session.make_callable(fetches, feeds, accept_options=True)

    def answer(self, signature, inputs, seconds=60):
        """What the signature answers: {output: array}, of {input: array}; defaults need not be given.

        Raises: tf.errors.DeadlineExceededError: it took longer, and was stopped
                tf.errors.OpError: the graph cannot answer these inputs
        """
        definition = self.signatures[signature]
        given = {**self._defaults[signature], **inputs}
        options = tf.compat.v1.RunOptions(timeout_in_ms=max(1, round(1e3 * seconds)))
        found = self._calls[signature](*(given[name] for name in sorted(definition.inputs)),
                                       options=options)
        return {name: np.asarray(value) for name, value in zip(sorted(definition.outputs), found)}

    def answer_together(self, signature, requests, seconds=60):
        """The answers to several requests, [{output: array}], by one call if there are more than one."""
        if len(requests) == 1:
            return [self.answer(signature, requests[0], seconds)]
        outputs = self.answer(signature, batches.joined(requests), seconds)
        return batches.parted(outputs, requests, self.signatures[signature])

    def _agree(self, name, answered):
        """Whether the requests that the version came with give together what each gives alone."""
        mine = [(inputs, outputs) for signature, inputs, outputs in answered if signature == name]
        if len(mine) < 2 or not batches.can_join(self.signatures[name]):
            return False
        together = self.answer_together(name, [inputs for inputs, _ in mine])
        try:
            for found, (_, alone) in zip(together, mine):
                verify.check_answer(name, found, alone)
        except ValueError:
            return False
        return True


def check_signatures(signatures):
    """The signatures; ValueError if a request to one could not be read, or its answer not be written."""
    if DEFAULT not in signatures:
        raise ValueError(f"expected the signature {DEFAULT}, received {', '.join(signatures) or 'none'}: "
                         "export with it")
    for name, signature in signatures.items():
        for key, info in [*signature.inputs.items(), *signature.outputs.items()]:
            if tf.as_dtype(info.dtype).name not in tensors.DATATYPES or info.tensor_shape.unknown_rank:
                raise ValueError(f"signature {name}: expected a known number of axes and a type among "
                                 f"{', '.join(tensors.DATATYPES)} of {key}, received "
                                 f"{tf.as_dtype(info.dtype).name} {tf.TensorShape(info.tensor_shape)}")
    return signatures
