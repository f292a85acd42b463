/// Which side of a comparison something is on.
enum Role: String {
  case reference
  case samples
}
