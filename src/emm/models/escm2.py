"""ESCM²: ESMM with a counterfactual risk of its conversion rate. Wang et al., SIGIR 2022."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor
from torch.nn.functional import softplus

from emm.config.binding import Count, NotNegative, Share
from emm.nn.funnel import EntireSpace, Groups, PooledFront, over_entire_space
from emm.nn.inputs import Inputs
from emm.nn.losses import binary_loss
from emm.nn.mlp import Towers
from emm.nn.numeric import DenseEncoding
from emm.nn.row_means import mean_over_rows


class ESCM2(EntireSpace):
    """ESMM whose loss includes the risk of pCVR over all impressions, estimated from clicked ones.

    The loss is (L_CTR + ``risk_weight`` * R + ``global_weight`` * L_CTCVR) / T under equal
    ``weighting``, with T = 2 unless there are further tasks. R is `inverse_propensity_risk`
    (``variant`` ips) or `doubly_robust_risk` (dr). The propensity of a click is pCTR, clipped from
    below at ``least_propensity`` and without gradient, as in the authors' code. dr has a third
    tower, which imputes the loss of pCVR; softplus keeps it positive, as a log loss is. The other
    arguments are those of `emm.models.esmm.ESMM`.

    Missing labels: as for ESMM, a conversion that is missing where the click is 0 counts as 0. R is
    a mean over the rows whose click and conversion are then known, L_CTCVR over those whose
    conversion is.
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
        given_click: bool = False,
        fields: Sequence[str] = (),
        groups: Groups | None = None,
        dense_encoding: DenseEncoding = "scaled",
        outputs: Sequence[int] = (),
    ) -> None:
        front = PooledFront(inputs, embedding_dim, dense_encoding, groups or {}, fields)
        towers = Towers(tasks, front.width, tower, dropout, outputs)
        super().__init__(front, towers, funnel, outputs, given_click)
        self.risk_weight, self.global_weight = risk_weight, global_weight
        self.least_propensity = least_propensity
        robust = variant == "dr"
        self.imputation = Towers(1, front.width, tower, dropout) if robust else None

    def logits_and_penalty(
        self,
        inputs: Sequence[Tensor],
        labels: Tensor,
        weights: Tensor | None,
        *,
        partly_labelled: bool = False,
        positive_weights: Sequence[float] = (),
    ) -> tuple[Tensor, Tensor]:
        """Logits over the entire space, and the scalar that is added to the mean of the losses.

        labels [B, T], of `complete_labels` if they are ``partly_labelled``; weights [B] of the
        rows, or None; ``positive_weights``: see `emm.nn.losses.task_losses`.
        """
        x = self.front(*inputs)  # [B, D + F*E]
        tower_logits = self.towers(x)  # [B, O]
        logits = over_entire_space(tower_logits, self.steps)
        pair = [labels[:, task].float() for task in self.funnel]
        clicked, converted = (label.nan_to_num(0.0) if partly_labelled else label for label in pair)
        click, conversion = self.steps
        factor = positive_weights[self.funnel[1]] if positive_weights else 1.0
        error = binary_loss(tower_logits[:, conversion], converted, factor)
        propensity = tower_logits[:, click].detach().sigmoid().clamp(min=self.least_propensity)
        if self.imputation is None:
            risk = inverse_propensity_risk(error, clicked, propensity)
        else:
            imputed = softplus(self.imputation(x).squeeze(1))  # [B]
            risk = doubly_robust_risk(error, imputed, clicked, propensity)
        both = binary_loss(logits[:, conversion], converted, factor)
        risk, rest = self.risk_weight * risk, (self.global_weight - 1) * both
        if not partly_labelled:
            return logits, _mean(risk + rest, weights) / labels.shape[1]
        click_known, known = (_where_known(label, weights) for label in pair)
        penalty = mean_over_rows(risk, click_known * (known > 0)) + mean_over_rows(rest, known)
        return logits, penalty / labels.shape[1]


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


def _where_known(label: Tensor, weights: Tensor | None) -> Tensor:
    """The weight of each row with a label, 0 where it is missing; label [B] -> [B]."""
    known = (~label.isnan()).to(label.dtype)
    return known if weights is None else weights * known
