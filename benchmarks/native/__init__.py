"""The nets of `workloads` written by hand in each framework's own API.

A module a framework: ``calls(name, inputs, named)`` returns for a workload and its native arguments
``{"eager" or "compiled": a call without arguments}``, what a user of the framework would write;
``default_initialization(sizes)`` returns a call that makes an MLP with the framework's own values.
"""
