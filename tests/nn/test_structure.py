from emm.nn.structure import Structure


def test_a_structure_is_written_with_its_shapes() -> None:
    assert str(Structure("Linear", ((8,),), (4,), "bias=True")) == "Linear [8] -> [4]"
    assert str(Structure("Front", ((3,), (2,)), (9,), "")) == "Front [3], [2] -> [9]"
