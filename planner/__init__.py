"""From one sentence to a plan: a global prompt, and per region a coarse and a fine prompt.

Nothing here needs torch or the host. `offline` needs no network; `llm` asks any OpenAI-compatible
endpoint. Both return the same `plan.Plan`, whose JSON form a person or the browser editor may edit.
"""
