from ._comparison._compare import compare
from ._comparison._comparison import Comparison
from ._cutoff._curve_result import RecoveryCurve
from ._cutoff._cutoff_result import RecommendedCutoff
from ._cutoff._recommend_cutoff import recommend_cutoff
from ._cutoff._recovery_curve import recovery_curve
from ._depth._bias_point import bias_point
from ._depth._depth_leakage import depth_leakage
from ._depth._thinning_stability import thinning_stability
from ._joint_embedding import joint_embedding
from ._refinement._refine_low_umi import refine_low_umi
from ._score._label_transfer_score import label_transfer_score
from ._score._score_result import LabelTransferScore
from ._transfer._label_transfer import label_transfer
from ._transfer._map_query import map_query
from ._transfer._prediction_sets import prediction_sets
from ._tsne import tsne
from ._umap import umap

__all__ = [
    "Comparison",
    "LabelTransferScore",
    "RecommendedCutoff",
    "RecoveryCurve",
    "bias_point",
    "compare",
    "depth_leakage",
    "joint_embedding",
    "label_transfer",
    "label_transfer_score",
    "map_query",
    "prediction_sets",
    "recommend_cutoff",
    "recovery_curve",
    "refine_low_umi",
    "thinning_stability",
    "tsne",
    "umap",
]
