"""What a dictionary is beside a transformer: a torch layer, an ONNX graph, a cost."""
