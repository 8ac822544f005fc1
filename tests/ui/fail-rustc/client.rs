//! The context is no parameter of the stub, and a result is what the trait says.

#[rpc::service]
pub trait Calc {
    async fn whoami(&self, ctx: &rpc::Context, loud: bool) -> Result<String, rpc::Error>;
}

async fn use_it(calc: CalcClient, context: &rpc::Context) -> Result<(), rpc::Error> {
    calc.whoami(context, true).await?;
    let _: i64 = calc.whoami(true).await?;
    Ok(())
}

fn main() {}
