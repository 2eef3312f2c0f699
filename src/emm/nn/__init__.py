"""Network building blocks that know nothing about tasks and datasets.

Legend of the shapes in this package and in all that use it:
B rows of a batch, N rows of a split, F sparse fields, D dense features, E embedding width,
T tasks, O logits of all tasks, H hidden width, M trained models of a task, C levels, G groups
computed together (experts, towers or tasks), S seeds.
"""
