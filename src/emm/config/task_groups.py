"""Groups of tasks, by their names, in a model's section."""

from collections.abc import Mapping, Sequence

from emm.core.errors import ParamsError, choose

Groups = Mapping[str, Sequence[str]]


def group_numbers(
    groups: Groups, names: Sequence[str], tasks: int, where: str = "the model's section"
) -> list[int]:
    """The group of each of so many tasks, numbered in the order of ``groups``.

    A task in none of them is a group of its own, numbered after those. ``names``: of the tasks.
    Raises ParamsError for a task that doesn't exist, or that is in two groups.
    """
    found = dict[int, int]()
    for number, (group, members) in enumerate(groups.items()):
        place = f"{where}: groups.{group}"
        for name in members:
            choose("task", name, names, place, "correct the name, or take it out")
            if found.setdefault(names.index(name), number) != number:
                raise ParamsError(
                    f"the task {name} is in two groups",
                    where=place,
                    got=f"{name}, which is also in {[*groups][found[names.index(name)]]}",
                    expected="each task in one group at most",
                    next_step="take it out of one of them",
                )
    others = [task for task in range(tasks) if task not in found]
    used = sorted(set(found.values()))  # a group without tasks has no number
    numbers = {group: number for number, group in enumerate(used)}
    alone = {task: len(used) + place for place, task in enumerate(others)}
    return [alone[task] if task in alone else numbers[found[task]] for task in range(tasks)]
