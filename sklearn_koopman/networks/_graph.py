"""The graph of a torch module, cut before and after spans of its submodules."""

from dataclasses import dataclass

import torch
from torch import fx

from ..teachers import FORWARD_LOCK, evaluating


@dataclass(frozen=True)
class Span:
    """The beginning and the end of a span in a traced graph.

    Attributes
    ----------
    names : tuple of str
        Name of the first submodule and of the last.
    entry : torch.fx.Node
        Input of the first submodule.
    exit : torch.fx.Node
        Output of the last submodule.
    inside : frozenset of torch.fx.Node
        All nodes on a path from the first to the last, including both.
    """

    names: tuple[str, str]
    entry: fx.Node
    exit: fx.Node
    inside: frozenset


class TracedNetwork:
    """A module as a graph of calls of its submodules.

    Only modules that contain an end of a span are traced inside. All others are called as they are.
    The module is not changed, and nothing in it is copied.

    Parameters
    ----------
    module : torch.nn.Module
    spans : list of tuple of str
        Names of the first and of the last submodule of each span.
    run : callable, default=None
        Function that calls the module with a batch. None: the module is called with the batch
        alone, and other arguments of `forward` have their default values.

    Attributes
    ----------
    spans : list of Span
        The spans, in the given order.
    """

    def __init__(self, module, spans, run=None):
        self.module = module
        known = dict(module.named_modules())
        for name in {name for names in spans for name in names}:
            if name == "" or name not in known:
                names = ", ".join(repr(known_name) for known_name in known if known_name)
                raise ValueError(
                    f"span={name!r} is not a submodule of {type(module).__name__}; its submodules "
                    f"are {names}."
                )
        self.graph = _trace(module, {name for names in spans for name in names}, run or _called)
        self.spans = [self._span(names) for names in spans]
        self._check_disjoint()

    def with_layers(self, layers, points=None):
        """Return the module with layers in place of spans.

        Parameters
        ----------
        layers : list of torch.nn.Module
            Layers for the first spans, in order. Later spans stay as they are.
        points : tuple of torch.fx.Node, default=None
            Return copies of the tensors at these nodes (a later layer may work in place), and
            compute nothing else. None: return the output.

        Returns
        -------
        network : torch.fx.GraphModule
            A network that shares the remaining submodules with the module.
        """
        names = {f"koopman_{number}": layer for number, layer in enumerate(layers)}
        spans = dict(zip((span.exit for span in self.spans), names, strict=False))
        entry_of = {span.exit: span.entry for span in self.spans}
        graph = fx.Graph()
        copies: dict = {}
        kept: dict = {}
        for node in self.graph.nodes:
            if node.op == "output" and points is not None:
                break
            if node in spans:
                copies[node] = graph.call_module(spans[node], (copies[entry_of[node]],))
            else:
                copies[node] = graph.node_copy(node, copies.__getitem__)
            if points is not None and node in points:
                kept[node] = graph.call_function(_copied, (copies[node],))
        if points is not None:
            graph.output(tuple(kept[point] for point in points))
        return _assembled(self.module, graph, names)

    def tail_parameters(self, network):
        """Return the parameters of all that depends on the output of the first span.

        Parameters
        ----------
        network : torch.fx.GraphModule
            A network from `with_layers`, or a copy. Layers in place of spans are left out.
        """
        (start,) = (node for node in network.graph.nodes if node.target == "koopman_0")
        parameters: dict = {}
        behind = _reachable(start, lambda node: node.users)
        for node in network.graph.nodes:
            is_layer = node.op == "call_module" and not node.target.startswith("koopman_")
            if node in behind and is_layer:
                owned = network.get_submodule(node.target).parameters()
                parameters |= {id(parameter): parameter for parameter in owned}
        return list(parameters.values())

    def _span(self, names):
        first, last = (self._call_of(name) for name in names)
        inputs = first.all_input_nodes
        if len(inputs) != 1:
            raise ValueError(
                f"span={names!r}: {names[0]!r} is called with {len(inputs)} different tensors, but "
                "a span must begin with one. Name a submodule that contains it."
            )
        inside = _reachable(first, lambda node: node.users)
        inside &= _reachable(last, lambda node: node.all_input_nodes)
        if last not in inside:
            raise ValueError(
                f"span={names!r}: the output of {names[1]!r} does not depend on that of "
                f"{names[0]!r}. Name the submodule that is called first, and then the last one."
            )
        return Span(names, inputs[0], last, frozenset(inside))

    def _call_of(self, name):
        calls = [
            node
            for node in self.graph.nodes
            if node.op == "call_module" and node.target == name
        ]
        if len(calls) != 1:
            raise ValueError(
                f"span={name!r} is called {len(calls)} times in a forward pass of "
                f"{type(self.module).__name__}; an end of a span must be called once."
            )
        return calls[0]

    def _check_disjoint(self):
        order = {node: number for number, node in enumerate(self.graph.nodes)}
        exits = [order[span.exit] for span in self.spans]
        if exits != sorted(exits):
            names = [span.names for span in self.spans]
            raise ValueError(f"span={names!r}: pass the spans in the order in which they run.")
        seen: set = set()
        for span in self.spans:
            if seen & span.inside:
                raise ValueError(f"span={span.names!r} overlaps another span.")
            seen |= span.inside


def _copied(activation):
    return activation.clone() if isinstance(activation, torch.Tensor) else activation


def _called(module, x):
    return module(x)


class _Tracer(fx.Tracer):
    """Traces only inside modules that contain one of the named modules.

    It traces one batch and no other argument of `forward`. Flags keep their default values, which
    are plain values, so that Python can branch on them.
    """

    def __init__(self, names, run):
        super().__init__()
        self._names = names
        self._run = run

    def create_args_for_root(self, root_fn, is_module, concrete_args=None):
        run = self._run

        def of_one_batch(root, x):
            return run(root, x)

        return super().create_args_for_root(of_one_batch, is_module, concrete_args)

    def is_leaf_module(self, module, qualified_name):
        is_whole = qualified_name == ""
        return not (
            is_whole or any(name.startswith(f"{qualified_name}.") for name in self._names)
        )


def _trace(module, names, run):
    with (
        FORWARD_LOCK,
        evaluating(module, None),
    ):  # in eval mode, because flags become part of the graph
        try:
            return _Tracer(names, run).trace(module)
        except Exception as error:
            raise ValueError(
                f"{type(module).__name__} could not be traced by torch.fx ({error}). Its forward, "
                "and that of the submodules around the ends of the span, must call the same "
                "submodules for all data. Name ends that are less deep inside. If forward needs "
                "more than a batch, use TorchTeacher(module, call=...)."
            ) from error


def _assembled(module, graph, layers):
    """Return a graph as a module, without calls whose results are not used."""
    name = type(module).__name__
    whole = fx.GraphModule(_parts(module, graph, layers), graph, name)
    whole.graph.eliminate_dead_code()
    return fx.GraphModule(_parts(module, whole.graph, layers), whole.graph, name)


def _parts(module, graph, layers):
    """Return the objects that a graph names: submodules and tensors of a module, and new layers."""
    parts = {}
    for node in graph.nodes:
        if node.op == "call_module":
            is_new = node.target in layers
            parts[node.target] = (
                layers[node.target] if is_new else module.get_submodule(node.target)
            )
        elif node.op == "get_attr":
            owner, _, name = node.target.rpartition(".")
            parts[node.target] = getattr(module.get_submodule(owner), name)
    return parts


def _reachable(start, neighbours):
    found, waiting = {start}, [start]
    while waiting:
        new = set(neighbours(waiting.pop())) - found
        found |= new
        waiting += new
    return found
