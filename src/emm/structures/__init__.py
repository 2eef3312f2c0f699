"""Networks of one task besides `emm.models.single_task`, one file per paper.

None of them is cut into components: in a pool, each of them is one whole (`emm.fusion`).
"""
