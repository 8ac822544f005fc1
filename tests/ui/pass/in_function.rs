//! A service inside of a function, over types that live there.
#![deny(warnings)]

fn main() {
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    struct Point {
        x: i64,
    }

    /// Local.
    #[rpc::service]
    trait Plane {
        async fn mirror(&self, point: Point, others: &[Point], like: &Point) -> Result<Point, rpc::Error>;
        #[rpc(blocking)]
        fn slow(&self, point: Point) -> Point;
    }

    struct Server;

    impl Plane for Server {
        async fn mirror(&self, point: Point, others: &[Point], like: &Point) -> Result<Point, rpc::Error> {
            Ok(Point { x: -point.x * others.len() as i64 + like.x })
        }

        fn slow(&self, point: Point) -> Point {
            point
        }
    }

    let _ = PlaneDispatcher::new(Server);
    let _ = |client: PlaneClient| client.mirror(Point { x: 1 }, &[], &Point { x: 2 });
}
