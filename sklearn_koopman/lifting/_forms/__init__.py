"""The other forms of a dictionary: a torch layer, an ONNX graph, a cost and more."""
