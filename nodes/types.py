"""Socket types of the pack, and what travels through each.

RP_REGIONS        ``attention.regions.RegionSet``
RP_PLAN           ``planner.plan.Plan``
RP_CONDITIONINGS  tuple of CONDITIONING, one per region
RP_REGIONAL       ``attention.prompts.RegionalPrompts``
RP_RULE           ``attention.rules.Rule``
"""

from comfy_api.latest import io

Regions = io.Custom("RP_REGIONS")
PlanSocket = io.Custom("RP_PLAN")
Conditionings = io.Custom("RP_CONDITIONINGS")
Regional = io.Custom("RP_REGIONAL")
RuleSocket = io.Custom("RP_RULE")

CATEGORY = "regional DiT"
