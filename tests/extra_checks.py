"""scikit-learn's checks that `parametrize_with_checks` leaves out.

scikit-learn runs them only on its own estimators. Call each as
``check(type(estimator).__name__, estimator)``.
"""

from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_get_feature_names_out_error,
    check_global_output_transform_pandas,
    check_inplace_ensure_writeable,
    check_set_output_transform,
    check_set_output_transform_pandas,
    check_transformer_get_feature_names_out,
    check_transformer_get_feature_names_out_pandas,
)

EXTRA_ESTIMATOR_CHECKS = [
    check_dataframe_column_names_consistency,
    check_inplace_ensure_writeable,
]

EXTRA_TRANSFORMER_CHECKS = [
    *EXTRA_ESTIMATOR_CHECKS,
    check_get_feature_names_out_error,
    check_global_output_transform_pandas,
    check_set_output_transform,
    check_set_output_transform_pandas,
    check_transformer_get_feature_names_out,
    check_transformer_get_feature_names_out_pandas,
]
