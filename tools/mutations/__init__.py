"""Changes of the meaning of the language, each of which the conformance suite must notice."""

from tools.mutations.flows import FLOWS
from tools.mutations.given import GIVEN_TO_EVENTS
from tools.mutations.mutation import Mutation
from tools.mutations.repeats import REPEATED
from tools.mutations.uses import USED
from tools.mutations.waits import WAITING

__all__ = ["MUTATIONS", "Mutation"]

MUTATIONS: tuple[Mutation, ...] = (*FLOWS, *REPEATED, *GIVEN_TO_EVENTS, *USED, *WAITING)
