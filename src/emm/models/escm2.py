"""ESCM²: ESMM with a counterfactual risk of its conversion rate. Wang et al., SIGIR 2022."""

from collections.abc import Sequence
from typing import Annotated

from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from emm.config.binding import Count, NotNegative, OneOf, Range, Share
from emm.nn.funnel import Groups, PooledFront, over_entire_space
from emm.nn.grouped import Towers
from emm.nn.inputs import Inputs
from emm.nn.numeric import DenseEncoding


class ESCM2(nn.Module):
    """ESMM, and in its loss the risk of pCVR over all impressions, estimated from the clicked ones.

    The loss is (L_CTR + ``risk_weight`` * R + ``global_weight`` * L_CTCVR) / T under equal
    ``weighting``, T = 2 without further tasks. R is `inverse_propensity_risk` (``variant`` ips) or
    `doubly_robust_risk` (dr), the propensity of a click being pCTR, at least ``least_propensity``,
    without its gradient, as in the authors' code. dr has a third tower, which imputes the error of
    pCVR; softplus keeps it above 0, as a log loss is. Other arguments are those of
    `emm.models.esmm.ESMM`.
    Wang et al., "ESCM²: Entire Space Counterfactual Multi-Task Model for Post-Click Conversion Rate
    Estimation", SIGIR 2022.
    """

    def __init__(
        self,
        inputs: Inputs,
        tasks: int,
        *,
        embedding_dim: Count,
        tower: Sequence[int],
        dropout: Share,
        variant: Annotated[str, OneOf("ips", "dr")],
        risk_weight: NotNegative,
        global_weight: NotNegative,
        least_propensity: Annotated[float, Range(0, 1, open_low=True)],
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
        """As `forward` of ``inputs``, and what joins the mean of the tasks' losses, a scalar.

        labels [B, T]; ``weights`` [B] of the rows, if any.
        """
        x = self.front(*inputs)  # [B, D + F*E]
        own = self.towers(x)  # [B, T]
        logits = over_entire_space(own, self.funnel)
        click, conversion = self.funnel
        clicked, converted = labels[:, click].float(), labels[:, conversion].float()
        error = binary_cross_entropy_with_logits(own[:, conversion], converted, reduction="none")
        propensity = own[:, click].detach().sigmoid().clamp(min=self.least_propensity)
        if self.imputation is None:
            risk = inverse_propensity_risk(error, clicked, propensity)
        else:
            imputed = softplus(self.imputation(x).squeeze(1))  # [B]
            risk = doubly_robust_risk(error, imputed, clicked, propensity)
        both = binary_cross_entropy_with_logits(logits[:, conversion], converted, reduction="none")
        extra = self.risk_weight * risk + (self.global_weight - 1) * both
        return logits, _mean(extra, weights) / labels.shape[1]


def inverse_propensity_risk(error: Tensor, clicked: Tensor, propensity: Tensor) -> Tensor:
    """o e / p of each row: its mean is that of e over all rows, if p is the rate of clicks; [B].

    error e: loss of pCVR; clicked o: 0 or 1, each [B].
    """
    return clicked * error / propensity


def doubly_robust_risk(
    error: Tensor, imputed: Tensor, clicked: Tensor, propensity: Tensor
) -> Tensor:
    """ê + o (e - ê) / p + o (e - ê)² / p of each row: the risk, and what ê learns from; [B].

    The mean of the first two is that of e over all rows if p is right, or ê. imputed ê: [B].
    """
    missed = error - imputed
    seen = clicked / propensity
    return imputed + seen * missed + seen * missed.square()


def _mean(each: Tensor, weights: Tensor | None) -> Tensor:
    """Over rows [B], by ``weights`` where given; scalar."""
    return each.mean() if weights is None else (weights * each).sum() / weights.sum()
