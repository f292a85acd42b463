/// The values of a list with commas between them, such as `0,3`; nil if one of them is none, as an empty one is not.
public func commaSeparated<Value>(_ text: String, _ value: (String) -> Value?) -> [Value]? {
  let values = text.split(separator: ",", omittingEmptySubsequences: false).map { value(String($0)) }
  return values.contains { $0 == nil } ? nil : values.compactMap { $0 }
}
