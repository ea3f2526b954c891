"""Experiments: how accurate students are, and what changes their accuracy.

Each script answers one question and writes its tables to `results/`.

The main table:

- `table.py`: how accurate is one matrix beside its network, and beside other classifiers?
- `frontier.py`: what do these tables look like as pictures?
- `what_matters.py`: which setting matters? It varies one at a time.
- `repeats.py`: what does another random seed change?
- `defaults.py`: how good is every estimator with its defaults, beside logistic regression?
- `search.py`: how good are the students that one call finds for five budgets, beside all tables?

Which observables:

- `dictionaries.py`: which family of 1,000 observables is best, and how correlated are polynomials?
- `sparse.py`: how good are the best m observables of a dictionary? Is greedy choice better than a
  group penalty?
- `convolutional.py`: how good are filters that see neighbourhoods? (`eyes.py` trains some of them.)
- `series.py`: how good are students of time series?
- `texts.py`: how good are students of texts, on sparse rows of counted words?

Other kinds of students:

- `networks.py`: can one matrix replace a span of layers?
- `delay_dmd.py`: can delay coordinates replace a layer, as a paper says?
- `tree_recovery.py`: do we find the decision tree that a network has learnt?
- `tree_curves.py`: how faithful are decision trees of each size, on ordinary data?
- `tensor_trains.py`: how good are tensor trains?
- `product_kernel.py`: how good are all products of the coordinates, by a kernel?
- `compression.py`: what does a student lose when a tensor train compresses it?
- `regressors.py`: what do students of regressors (forests and networks) gain from their teachers?

How far one can rely on a student:

- `robustness.py`: how much must an image change before the student changes its answer?
- `strangers.py`: do students work for pretrained networks of other people's packages?
  (`strange_inputs.py` has the inputs.)

What hardware takes away:

- `deployment.py`: what do few bits and noise cost?
- `filters.py`: what do they cost students with filters, and are ONNX and torch exact?
- `meshes.py`: what do errors of a photonic mesh cost?
- `microcontrollers.py`: how accurate is a student with few kilobytes, on an emulated core?

All scripts work alike (`runner.py`). Without options, a script measures the rows that its table
lacks. ``--again`` measures all rows anew, ``--show`` prints the table, and ``--quick`` tries the
script out within seconds and writes nothing. Teachers are trained when they are needed, and then
kept (`teachers.py`, `image_network.py`, `tree_networks.py`). Speed is measured in `benchmarks/`.

The scripts import each other. This works where the repository is installed (`make test`, or
``pip install -e .``).
"""
