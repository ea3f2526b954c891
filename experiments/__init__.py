"""How accurate students are: one script for each question, its results in `results/`.

What can one matrix say of a network? `table.py`: all students of the page of results, and what a
user would take instead. `what_matters.py`: one setting at a time. `repeats.py`: what seeds change.
`frontier.py`: pictures of these tables.

Do the defaults work? `defaults.py`: every estimator as it comes, beside logistic regression.

What does one call find? `search.py`: the best student at each of five budgets, beside all tables.

Which observables? `dictionaries.py`: families of about 1,000, and how correlated polynomials are.
`sparse.py`: the best m of a dictionary, and greedy choice beside a group penalty.
`convolutional.py`: filters that see neighbourhoods, found without labels or trained (`eyes.py`).
`series.py`: time series. `texts.py`: words that are counted, sparse rows.

Other kinds of students: `networks.py` and `delay_dmd.py` (spans of layers), `tree_recovery.py` and
`tree_curves.py` (decision trees), `tensor_trains.py`, `product_kernel.py`, `compression.py`.

How sure is a student? `robustness.py`: how far images can be changed without another answer.

Whose networks? `strangers.py`: pretrained ones out of other people's packages, on inputs of
`strange_inputs.py`. `regressors.py`: those of regressors, forests and networks.

What does hardware take away? `deployment.py`: few bits and noise; `filters.py`: the same of
filters, and what ONNX and torch make of them; `meshes.py`: errors of a photonic mesh;
`microcontrollers.py`: accuracy against flash, on an emulated core.

All scripts work alike (`runner.py`). Called without options, a script measures what its table of
results lacks; ``--again`` measures all of it anew, ``--show`` prints what there is, ``--quick``
tries the script out within seconds and writes nothing. Teachers are trained where they are
needed, and kept (`teachers.py`, `image_network.py`, `tree_networks.py`). Speed is measured in
`benchmarks/`.

The scripts find each other in an environment in which the repository is installed (`make test`, or
``pip install -e .``).
"""
