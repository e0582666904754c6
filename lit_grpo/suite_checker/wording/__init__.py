"""What the generator's domains can say, written out a second time. A test holds these tables equal to the generator's.

Read by specification.py.
"""

from lit_grpo.suite_checker.wording.choices import ASSIGNMENT, CAPITAL_BUDGETING, STAFFING
from lit_grpo.suite_checker.wording.forms import DomainWords
from lit_grpo.suite_checker.wording.networks import FACILITY_LOCATION, NETWORK_FLOW
from lit_grpo.suite_checker.wording.plans import BLENDING, PRODUCTION, TRANSPORTATION
from lit_grpo.suite_checker.wording.stages import LOT_SIZING, SET_COVERING

WORDS: dict[str, DomainWords] = {
    "production": PRODUCTION,
    "blending": BLENDING,
    "transportation": TRANSPORTATION,
    "lot_sizing": LOT_SIZING,
    "capital_budgeting": CAPITAL_BUDGETING,
    "staffing": STAFFING,
    "assignment": ASSIGNMENT,
    "network_flow": NETWORK_FLOW,
    "facility_location": FACILITY_LOCATION,
    "set_covering": SET_COVERING,
}
"""The words by the name of the domain, for programs above tiny size."""
