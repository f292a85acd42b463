/// Whether the name of a file or of a class stands before another: in the order of the bytes that they have when each letter is
/// one character with its accents, which is the same on every machine, whatever the locale. An archive has its names so, also
/// where the folder that was packed has them with accents of their own; both then have one order. Names that differ in nothing
/// else follow one another by their own bytes.
public func areInNameOrder(_ a: String, _ b: String) -> Bool {
  a == b ? a.utf8.lexicographicallyPrecedes(b.utf8) : a < b
}
