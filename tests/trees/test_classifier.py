import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline as sklearn_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, export_text, plot_tree

from sklearn_koopman import DistilledTreeClassifier
from sklearn_koopman.deployment import detach_teacher
from sklearn_koopman.pipeline import make_pipeline

from .helpers import binary_rows, hidden_features, hidden_logits, hidden_tree

IRIS = load_iris()
X, Y = IRIS.data, IRIS.target
TEACHER = FrozenEstimator(
    sklearn_pipeline(
        StandardScaler(), MLPClassifier(10, solver="lbfgs", max_iter=500, random_state=0)
    ).fit(X, Y)
)
B = binary_rows(2000, 40)


def hidden_student(**settings):
    defaults = {"features": hidden_features, "max_depth": 3, "beam_width": 10}
    settings = {"greedy": False, "random_state": 0} | defaults | settings
    return DistilledTreeClassifier(hidden_logits, **settings)


# The trees that it finds


@pytest.mark.parametrize(("greedy", "beam_width"), [(False, 10), (True, 24)])
def test_a_tree_that_the_features_represent_is_recovered(greedy, beam_width):
    student = hidden_student(greedy=greedy, beam_width=beam_width).fit(B, hidden_tree(B))
    fresh = binary_rows(5000, 40, seed=1)
    assert_array_equal(student.predict(fresh), hidden_tree(fresh))
    assert student.get_n_leaves() == 8
    assert set(student.tree_.feature) == {0, 1, 2, -2}
    assert student.clause_errors_.shape == (student.tree_.node_count,)
    assert student.clause_errors_.max() < 0.1
    # neither a greedy tree nor features of another function can do this
    greedy_tree = DecisionTreeClassifier(max_depth=3).fit(B, hidden_tree(B))
    blind = hidden_student(features=lambda rows: np.sin(rows @ np.ones((40, 3))))
    for other in (greedy_tree, blind.fit(B, hidden_tree(B))):
        assert np.mean(other.predict(fresh) == hidden_tree(fresh)) < 0.6


def test_the_activations_of_a_network_suffice():
    """A ReLU network that computes parity. Its weights are written down, not trained."""
    torch = pytest.importorskip("torch")
    signs = np.array([[-1, -1, 1], [-1, 1, -1], [1, -1, -1], [1, 1, 1]])
    hidden, out = torch.nn.Linear(40, 4), torch.nn.Linear(4, 1)
    with torch.no_grad():
        hidden.weight[:] = 0.0
        hidden.weight[:, :3] = torch.from_numpy(signs)
        hidden.bias[:] = -2.0  # a unit is 1 if all its signs are right, else 0
        out.weight[:], out.bias[:] = 10.0, -5.0
    network = torch.nn.Sequential(hidden, torch.nn.ReLU(), out)
    student = DistilledTreeClassifier(network, max_depth=3, beam_width=40, random_state=0)
    student.fit(B, hidden_tree(B))
    fresh = binary_rows(5000, 40, seed=1)
    assert_array_equal(student.predict(fresh), hidden_tree(fresh))


def test_the_leaves_say_what_the_teacher_says_not_the_labels():
    wrong = np.random.default_rng(0).permutation(Y)
    student = DistilledTreeClassifier(TEACHER, random_state=0).fit(X, wrong)
    assert np.mean(student.predict(X) == TEACHER.predict(X)) > 0.95


def test_it_is_as_faithful_as_a_greedy_tree():
    student = DistilledTreeClassifier(
        TEACHER, max_depth=3, max_thresholds=200, validation_fraction=None
    ).fit(X, Y)
    said = TEACHER.predict(X)
    greedy = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, said)
    assert np.mean(student.predict(X) == said) >= greedy.score(X, said)


def test_a_beam_that_keeps_all_needs_no_features():
    student = hidden_student(
        features=lambda rows: np.zeros((len(rows), 1)), beam_width=None, max_depth=3
    ).fit(B[:500, :6], hidden_tree(B[:500]))
    assert_array_equal(student.predict(B[:, :6]), hidden_tree(B))


# Sizes


def test_path_and_choice_of_the_size():
    student = DistilledTreeClassifier(TEACHER, max_leaf_nodes=6, random_state=0).fit(X, Y)
    sizes = [tree.n_leaves for tree in student.path_]
    assert sizes[0] == 1
    assert sizes[-1] <= 6
    assert (np.diff(sizes) > 0).all()
    assert (np.diff([tree.fidelity for tree in student.path_]) > 0).all()
    scores = [tree.validation_fidelity for tree in student.path_]
    chosen = student.path_[int(np.argmax(scores))]
    assert chosen.decision_tree is student.decision_tree_
    assert chosen.n_leaves == student.get_n_leaves()


def test_fidelities_of_the_path_are_those_of_its_trees():
    student = DistilledTreeClassifier(
        TEACHER, validation_fraction=0.4, max_probe_samples=30, random_state=0
    ).fit(X, Y)
    said = TEACHER.predict(X)
    for tree in student.path_:
        both = 0.6 * tree.fidelity + 0.4 * tree.validation_fidelity
        assert_allclose(np.mean(tree.decision_tree.predict(X) == said), both)
        assert tree.decision_tree.tree_.n_node_samples[0] == 90


def test_without_rows_held_out_the_largest_tree_is_taken():
    student = DistilledTreeClassifier(TEACHER, validation_fraction=None).fit(X, Y)
    assert student.decision_tree_ is student.path_[-1].decision_tree
    assert np.isnan(student.path_[0].validation_fidelity)
    assert student.tree_.n_node_samples[0] == len(X)


def test_a_teacher_that_says_one_thing_gives_one_leaf():
    student = DistilledTreeClassifier(lambda rows: np.tile([1.0, 2.0, 0.0], (len(rows), 1)))
    student.fit(X, Y)
    assert (student.get_n_leaves(), student.get_depth()) == (1, 0)
    assert_array_equal(student.predict(X), 1)


# Behaving like a tree of scikit-learn


def test_tools_of_scikit_learn():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    student = DistilledTreeClassifier(TEACHER, random_state=0).fit(X, Y)
    text = export_text(student.decision_tree_, feature_names=IRIS.feature_names)
    assert text.count("class:") == student.get_n_leaves()
    figure, axes = pyplot.subplots()
    drawn = plot_tree(student.decision_tree_, ax=axes)
    assert len(drawn) >= student.tree_.node_count
    pyplot.close(figure)


def test_access_to_nodes():
    student = DistilledTreeClassifier(TEACHER, random_state=0).fit(X, Y)
    leaves = student.apply(X)
    passes = student.decision_path(X)
    assert passes.shape == (len(X), student.tree_.node_count)
    assert (passes[np.arange(len(X)), leaves] == 1).all()
    assert len(np.unique(leaves)) == student.get_n_leaves()
    proba = student.predict_proba(X)
    assert_allclose(proba, student.tree_.value[leaves, 0])
    assert_array_equal(student.predict(X), student.classes_[proba.argmax(axis=1)])
    assert student.get_depth() == student.tree_.max_depth


def test_float32_and_float64_give_the_same_tree():
    tree = DistilledTreeClassifier(TEACHER, random_state=0)
    double, single = tree.fit(X, Y), clone(tree).fit(X.astype(np.float32), Y)
    assert export_text(double.decision_tree_) == export_text(single.decision_tree_)


def test_the_random_state_decides():
    def text(seed):
        student = DistilledTreeClassifier(TEACHER, max_probe_samples=40, random_state=seed)
        return export_text(student.fit(X, Y).decision_tree_, show_weights=True)

    assert text(3) == text(3)
    assert len({text(seed) for seed in range(5)}) > 1


# Teachers, labels and rows


def test_soft_labels_are_as_good_as_the_teacher():
    proba = TEACHER.predict_proba(X)
    told = DistilledTreeClassifier(features=TEACHER, random_state=0)
    told.fit(X, Y, soft_labels=proba)
    asked = DistilledTreeClassifier(TEACHER, random_state=0).fit(X, Y)
    assert export_text(told.decision_tree_) == export_text(asked.decision_tree_)
    assert not hasattr(told, "teacher_")
    both = DistilledTreeClassifier(TEACHER, random_state=0).fit(X, Y, soft_labels=proba)
    assert_array_equal(both.clause_errors_, asked.clause_errors_)
    asked.fit(X, Y, soft_labels=proba)
    assert not hasattr(asked, "teacher_")


def test_teacher_and_features_see_what_they_are_given():
    student = DistilledTreeClassifier(TEACHER, random_state=0)
    student.fit(X[:, 2:], Y, teacher_X=X)
    assert student.n_features_in_ == 2
    assert np.mean(student.predict(X[:, 2:]) == TEACHER.predict(X)) > 0.9
    with pytest.raises(ValueError, match="three ways out"):
        student.fit(X[:, 2:], Y)


def test_names_and_rows_without_labels():
    names = np.array(["setosa", "versicolor", "virginica"], dtype=object)
    teacher = clone(TEACHER.estimator)
    partly = names[Y]
    partly[::3] = ""
    student = DistilledTreeClassifier(teacher, unlabeled_value="", random_state=0)
    student.fit(X, partly)
    assert_array_equal(student.classes_, names)
    assert np.mean(student.predict(X) == names[Y]) > 0.9
    assert student.path_[0].decision_tree.tree_.n_node_samples[0] == 120


def test_an_estimator_as_teacher_is_fitted():
    student = DistilledTreeClassifier(LogisticRegression(max_iter=1000), random_state=0)
    student.fit(X, Y)
    assert_array_equal(student.teacher_.classes_, [0, 1, 2])
    assert not hasattr(student.teacher, "coef_")
    assert student.score(X, Y) > 0.9


def test_categories_come_one_hot():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"colour": rng.choice(["red", "green", "blue"], 400), "size": rng.normal(size=400)}
    )
    y = np.where(frame.colour == "green", frame["size"] > 0, frame.colour == "red").astype(int)
    encoder = make_column_transformer((OneHotEncoder(), ["colour"]), remainder="passthrough")
    net = sklearn_pipeline(
        encoder, MLPClassifier(20, solver="lbfgs", max_iter=200, random_state=0)
    ).fit(frame, y)
    student = make_pipeline(
        clone(encoder),
        DistilledTreeClassifier(FrozenEstimator(net), max_depth=3, random_state=0),
    ).fit(frame, y)
    assert np.mean(student.predict(frame) == net.predict(frame)) > 0.97
    assert set(student[-1].tree_.threshold[student[-1].tree_.feature == 2]) <= {0.5}


# Copies


class Network:
    """A teacher and its features that must not be copied."""

    def __call__(self, rows):
        return TEACHER.predict_proba(rows)

    def __deepcopy__(self, memo):
        raise AssertionError("the network was deep-copied")


def test_clones_share_teacher_and_features():
    network = Network()
    student = DistilledTreeClassifier(network, features=network, random_state=0)
    copied = clone(student)
    assert copied.teacher is copied.features is network
    search = GridSearchCV(student, {"max_depth": [1, 2]}, cv=3).fit(X, Y)
    assert search.best_params_ == {"max_depth": 2}


def test_detached_it_predicts_the_same():
    student = DistilledTreeClassifier(TEACHER, features=TEACHER, random_state=0).fit(X, Y)
    detached = detach_teacher(student)
    assert detached.teacher is detached.features is None
    assert not hasattr(detached, "teacher_")
    again = pickle.loads(pickle.dumps(detached))
    assert_array_equal(again.predict(X), student.predict(X))


# Errors


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("max_depth", 0, r"an int in the range \[1, inf\)"),
        ("max_depth", None, r"an int in the range \[1, inf\)"),
        ("beam_width", 1, r"an int in the range \[2, inf\) or None"),
        ("greedy", 1, "a bool"),
        ("max_leaf_nodes", 1, r"an int in the range \[2, inf\) or None"),
        ("min_samples_leaf", 0.5, r"an int in the range \[1, inf\)"),
        ("max_thresholds", 0, r"an int in the range \[1, inf\)"),
        ("ridge", 0, r"a float in the range \(0.0, inf\)"),
        ("ridge", -1.0, r"a float in the range \(0.0, inf\)"),
        ("max_probe_samples", 1, r"an int in the range \[2, inf\)"),
        ("validation_fraction", 1.0, r"a float in the range \(0.0, 1.0\) or None"),
        ("teacher_output", "soft", "a str among"),
        ("features", 3, "a torch module, a fitted network .* a callable, or None"),
    ],
)
def test_bad_parameters(name, value, message):
    student = DistilledTreeClassifier(TEACHER).set_params(**{name: value})
    message = f"'{name}' parameter of DistilledTreeClassifier must be {message}"
    with pytest.raises(ValueError, match=f"{message}.*Got {value!r}"):
        student.fit(X, Y)


def test_without_a_teacher():
    with pytest.raises(ValueError, match=r"pass teacher= .* or soft_labels= to fit"):
        DistilledTreeClassifier().fit(X, Y)


def test_a_failed_fit_leaves_the_old_one():
    student = DistilledTreeClassifier(TEACHER, random_state=0).fit(X, Y)
    before = dict(vars(student))
    with pytest.raises(ValueError, match="inconsistent"):
        student.fit(X[:, :2], Y, soft_labels=np.ones((29, 3)))
    with pytest.raises(ValueError, match="features"):
        student.set_params(features=lambda rows: rows[1:]).fit(X, Y)
    before["features"] = student.features
    assert vars(student) == before
