"""Simulated enrichment: Apollo, Clearbit as its legacy keys still see it, and a service of one's own."""

from leadops.sandbox.enrichment.apollo import ApolloSandbox
from leadops.sandbox.enrichment.clearbit import ClearbitSandbox
from leadops.sandbox.enrichment.directory import Company, Directory, Person
from leadops.sandbox.enrichment.self_hosted import SelfHostedSandbox

__all__ = ["ApolloSandbox", "ClearbitSandbox", "Company", "Directory", "Person", "SelfHostedSandbox"]
