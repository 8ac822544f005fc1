@0xe5a1d3b0c7f24986;

struct Record {
  id @0 :UInt64;
  name @1 :Text;
  score @2 :Float64;
  city @3 :Text;
  street @4 :Text;
  note @5 :Text;
}

interface Echo {
  ping @0 (data :Data) -> (data :Data);
  blob @1 (data :Data) -> (data :Data);
  structs @2 (records :List(Record)) -> (records :List(Record));
  slow @3 ();
}
