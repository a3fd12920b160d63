"""A strict SendGrid without a network: what it takes, what it says afterwards, what people answer."""

from leadops.sandbox.sendgrid.mail import Mail
from leadops.sandbox.sendgrid.mailroom import Mailroom
from leadops.sandbox.sendgrid.service import SendGridSandbox

__all__ = ["Mail", "Mailroom", "SendGridSandbox"]
