"""ESCM²: ESMM with a counterfactual risk of its conversion rate. Wang et al., SIGIR 2022."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from emm.config.binding import Count, NotNegative, Share
from emm.nn.funnel import Groups, PooledFront, over_entire_space
from emm.nn.inputs import Inputs
from emm.nn.mlp import Towers
from emm.nn.numeric import DenseEncoding


class ESCM2(nn.Module):
    """ESMM whose loss includes the risk of pCVR over all impressions, estimated from clicked ones.

    The loss is (L_CTR + ``risk_weight`` * R + ``global_weight`` * L_CTCVR) / T under equal
    ``weighting``, with T = 2 unless there are further tasks. R is `inverse_propensity_risk`
    (``variant`` ips) or `doubly_robust_risk` (dr). The propensity of a click is pCTR, clipped from
    below at ``least_propensity`` and without gradient, as in the authors' code. dr has a third
    tower, which imputes the loss of pCVR; softplus keeps it positive, as a log loss is. The other
    arguments are those of `emm.models.esmm.ESMM`.
    Wang et al., "ESCM²: Entire Space Counterfactual Multi-Task Model for Post-Click Conversion Rate
    Estimation", SIGIR 2022.
    """

    def __init__(
        self,
        inputs: Inputs,
        tasks: int,
        *,
        embedding_dim: Count = 4,
        tower: Sequence[int] = (128, 64, 32),
        dropout: Share = 0.0,
        variant: Literal["ips", "dr"] = "dr",
        risk_weight: NotNegative = 0.1,
        global_weight: NotNegative = 1.0,
        least_propensity: Annotated[float, Field(gt=0, le=1)] = 0.02,
        funnel: Sequence[int],
        fields: Sequence[str] = (),
        groups: Groups | None = None,
        dense_encoding: DenseEncoding = "scaled",
    ) -> None:
        super().__init__()
        self.funnel = tuple(funnel)
        self.risk_weight, self.global_weight = risk_weight, global_weight
        self.least_propensity = least_propensity
        self.front = PooledFront(inputs, embedding_dim, dense_encoding, groups or {}, fields)
        self.towers = Towers(tasks, self.front.width, tower, dropout)
        robust = variant == "dr"
        self.imputation = Towers(1, self.front.width, tower, dropout) if robust else None

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] -> logits [B, T], the conversion's that of pCTCVR."""
        return over_entire_space(self.towers(self.front(dense, sparse)), self.funnel)

    def logits_and_penalty(
        self, inputs: Sequence[Tensor], labels: Tensor, weights: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """`forward` of ``inputs``, and the scalar that is added to the mean of the tasks' losses.

        labels [B, T]; weights [B] of the rows, or None.
        """
        x = self.front(*inputs)  # [B, D + F*E]
        tower_logits = self.towers(x)  # [B, T]
        logits = over_entire_space(tower_logits, self.funnel)
        click, conversion = self.funnel
        clicked, converted = labels[:, click].float(), labels[:, conversion].float()
        error = binary_cross_entropy_with_logits(
            tower_logits[:, conversion], converted, reduction="none"
        )
        propensity = tower_logits[:, click].detach().sigmoid().clamp(min=self.least_propensity)
        if self.imputation is None:
            risk = inverse_propensity_risk(error, clicked, propensity)
        else:
            imputed = softplus(self.imputation(x).squeeze(1))  # [B]
            risk = doubly_robust_risk(error, imputed, clicked, propensity)
        both = binary_cross_entropy_with_logits(logits[:, conversion], converted, reduction="none")
        extra = self.risk_weight * risk + (self.global_weight - 1) * both
        return logits, _mean(extra, weights) / labels.shape[1]


def inverse_propensity_risk(error: Tensor, clicked: Tensor, propensity: Tensor) -> Tensor:
    """o e / p for each row, [B]. Its mean estimates that of e over all rows if p is the click rate.

    error e: loss of pCVR; clicked o: 0 or 1; propensity p; each [B].
    """
    return clicked * error / propensity


def doubly_robust_risk(
    error: Tensor, imputed: Tensor, clicked: Tensor, propensity: Tensor
) -> Tensor:
    """ê + o (e - ê) / p + o (e - ê)² / p for each row, [B]: the risk, and the loss that trains ê.

    The mean of the first two terms estimates that of e over all rows if p or ê is right.
    imputed ê, the other arguments as in `inverse_propensity_risk`; each [B].
    """
    residual = error - imputed
    weight = clicked / propensity
    return imputed + weight * residual + weight * residual.square()


def _mean(values: Tensor, weights: Tensor | None) -> Tensor:
    """Mean over rows [B], weighted unless ``weights`` is None; scalar."""
    return values.mean() if weights is None else (weights * values).sum() / weights.sum()
