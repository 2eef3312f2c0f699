from emm.fusion.settings import FusionSettings
from emm.outside.settings import OutsideModel


def test_only_networks_from_outside_need_code() -> None:
    network = OutsideModel("income", factory="pool.mine:build", weights="a.safetensors")
    trees = OutsideModel("income", model="model.txt")
    assert FusionSettings(pool={"risk": network, "boosted": trees}).factories == (
        "pool.mine:build",
    )
    assert FusionSettings().adapter is None
