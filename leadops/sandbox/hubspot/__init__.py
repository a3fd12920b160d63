"""A HubSpot account in memory, as strict as the vendor."""

from leadops.sandbox.hubspot.http import HubSpotSandbox
from leadops.sandbox.hubspot.options import Options
from leadops.sandbox.hubspot.portal import Portal, Record, TakenError, Version
from leadops.sandbox.hubspot.schema import Property

__all__ = ["HubSpotSandbox", "Options", "Portal", "Property", "Record", "TakenError", "Version"]
