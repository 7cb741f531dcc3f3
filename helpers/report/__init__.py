"""What people read. What takes long to import or draw is imported by those who need it."""

from helpers.report import claims, console, tables
