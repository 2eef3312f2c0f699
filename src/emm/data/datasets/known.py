"""What the settings may name of the registered datasets, without importing their descriptions."""

from collections.abc import Mapping

_ALI_CCP = ("purchase", "click", "click-and-purchase")
_ALIEXPRESS = ("conversion", "click")

KNOWN_TASKS: Mapping[str, tuple[str, ...]] = {
    "census-income": ("income", "never-married", "college", "full-time"),
    "ali-ccp": _ALI_CCP,
    "ali-ccp-preprocessed": _ALI_CCP,
    **{f"aliexpress-{country}": _ALIEXPRESS for country in ("us", "nl", "es", "fr", "ru")},
    "kuairand-pure": (
        *("is_click", "is_like", "is_follow", "is_comment", "is_forward", "is_hate"),
        "long_view",
    ),
    "userbehavior-2017": ("click", "cart", "favourite", "buy"),
    "ijcai-2015": ("purchase", "favourite"),
    "qb-video": ("click", "follow", "like", "share"),
    "adult": ("income", "never-married", "long-hours"),
    "online-shoppers": ("value-page", "revenue"),
}
"""The tasks of each registered dataset, all binary."""

WEIGHTED = ("census-income", "adult")
"""Datasets that weigh their rows."""
