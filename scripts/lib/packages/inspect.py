"""Prints, as JSON, what the native modules named as arguments need and offer: one object for each, by its path."""

import json
import sys

import lief


def elf(binary):
    versions = [aux.name for need in binary.symbols_version_requirement for aux in need.get_auxiliary_symbols()]
    return {
        "format": "ELF",
        "machine": binary.header.machine_type.name,
        "needed": list(binary.libraries),
        "versions": versions,
        "imports": [symbol.name for symbol in binary.imported_symbols],
        "exports": [symbol.name for symbol in binary.exported_symbols],
        "debug": any(section.name.startswith(".debug") or section.name == ".symtab" for section in binary.sections),
    }


def pe(binary):
    return {
        "format": "PE",
        "machine": binary.header.machine.name,
        "needed": [library.name for library in binary.imports],
        "imports": [entry.name for library in binary.imports for entry in library.entries],
        "exports": [entry.name for entry in binary.get_export().entries],
        "debug": any(section.name.startswith((".debug", "/")) for section in binary.sections),
    }


def macho(binary):
    return {
        "format": "MACHO",
        "machine": binary.header.cpu_type.name,
        "needed": [library.name for library in binary.libraries],
        "imports": [symbol.name for symbol in binary.imported_symbols],
        "exports": [symbol.name for symbol in binary.exported_symbols],
        "debug": any(section.segment_name == "__DWARF" for section in binary.sections),
        "minimum": list(binary.build_version.minos if binary.has_build_version else binary.version_min.version),
        "signed": binary.has_code_signature,
    }


def inspect(path):
    binary = lief.parse(path)
    if isinstance(binary, lief.ELF.Binary):
        return elf(binary)
    return pe(binary) if isinstance(binary, lief.PE.Binary) else macho(binary)


print(json.dumps({path: inspect(path) for path in sys.argv[1:]}))
