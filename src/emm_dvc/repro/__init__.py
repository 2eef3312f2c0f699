"""Run independent stages of the DVC graph at the same time; DVC itself runs each of them."""
