"""The assignment problem: each row gets its own column, at the least total cost."""

from __future__ import annotations


def minimal_assignment(cost: list[list[float]]) -> list[int]:
    """Minimal-cost assignment of each row to its own column (rows <= columns), O(rows^2 columns).

    Kuhn-Munkres with potentials; `way` remembers the alternating path.
    """
    n = len(cost)
    m = len(cost[0]) if n else 0
    infinity = float("inf")
    u, v = [0.0] * (n + 1), [0.0] * (m + 1)
    match, way = [0] * (m + 1), [0] * (m + 1)
    for row in range(1, n + 1):
        match[0] = row
        column = 0
        slack = [infinity] * (m + 1)
        used = [False] * (m + 1)
        while match[column] != 0:
            used[column] = True
            current, delta, following = match[column], infinity, 0
            for j in range(1, m + 1):
                if used[j]:
                    continue
                reduced = cost[current - 1][j - 1] - u[current] - v[j]
                if reduced < slack[j]:
                    slack[j], way[j] = reduced, column
                if slack[j] < delta:
                    delta, following = slack[j], j
            for j in range(m + 1):
                if used[j]:
                    u[match[j]] += delta
                    v[j] -= delta
                else:
                    slack[j] -= delta
            column = following
        while column:
            match[column] = match[way[column]]
            column = way[column]
    result = [0] * n
    for j in range(1, m + 1):
        if match[j]:
            result[match[j] - 1] = j - 1
    return result
